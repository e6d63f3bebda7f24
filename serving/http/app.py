"""Makes the ASGI application: all endpoints around one service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from mos_online.settings import Settings
from serving.feedback.decisions import DecisionLog, KafkaDecisionLog, NoDecisionLog
from serving.feedback.events import EventPublisher
from serving.feedback.publisher import NoPublisher, Publisher
from serving.http.answers import Answering, unrouted
from serving.http.authentication import Authentication
from serving.http.bodies import Bodies
from serving.http.clients import Addresses
from serving.http.endpoint import Endpoint
from serving.http.keys import KeyRing, Scope, open_keys
from serving.http.openapi import document
from serving.http.routes.batch import batch
from serving.http.routes.docs import openapi_json, reference
from serving.http.routes.events import events
from serving.http.routes.health import alive, ready
from serving.http.routes.metrics import metrics
from serving.http.routes.model import model
from serving.http.routes.recommend import recommend
from serving.http.stream_rules import StreamRules

if TYPE_CHECKING:
    from serving.scoring.service import Service  # imports torch, which only replicas need


KEYS_EVERY = 1.0
"""Seconds between looks at the file of keys."""


def create_app(
    service: Service,
    *,
    settings: Settings,
    publisher: Publisher | None = None,
    keys: KeyRing | None = None,
    behind_haproxy: bool = False,
) -> Starlette:
    """Make the application around ``service``; its lifespan starts and stops the service and the publisher.

    Plain Starlette routes: FastAPI's dependency and response machinery costs 25 to 70 µs a request here and
    would add nothing, since bodies are checked and documented by ``serving.http.api``.

    Args:
        service: answers the requests.
        settings: the rules of times and proxies, and which pages need a key.
        publisher: of what is answered, and of the events that clients send; None takes nothing.
        keys: those that are accepted; None: those that the settings name.
        behind_haproxy: our HAProxy is in front and says from where requests come.

    Raises:
        SettingsError: as ``open_keys``.
    """
    if keys is None:
        keys = open_keys(settings)
    bodies = Bodies(service.limits, StreamRules(settings.sessions))
    decisions = _decision_log(publisher, settings, service)
    pages: Scope | None = "admin" if settings.pages_need_key else None
    endpoints = [
        recommend(service, bodies, decisions),
        batch(service, bodies, decisions),
        events(EventPublisher(publisher or NoPublisher(), settings), bodies, service.limits),
        model(service),
        alive(service),
        ready(service),
        metrics(service, scope=pages, namespace=settings.namespace),
    ]
    described = document(endpoints, api_key=keys.needed)
    endpoints += [openapi_json(described, scope=pages), reference(described, scope=pages)]
    authentication = Authentication(keys, Addresses(behind_haproxy=behind_haproxy, trusted=settings.proxies))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.start()
        if publisher is not None:
            publisher.start()
        await asyncio.to_thread(service.wait_for_store)
        follower = asyncio.create_task(_follow(keys, service))
        yield
        follower.cancel()
        await asyncio.to_thread(service.stop)
        if publisher is not None:
            await asyncio.to_thread(publisher.stop)

    app = Starlette(
        routes=[_route(endpoint, authentication, service, settings) for endpoint in endpoints],
        exception_handlers={HTTPException: unrouted(service.metrics)},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a redirect would lead to whatever host the request names
    return app


def _route(endpoint: Endpoint, authentication: Authentication, service: Service, settings: Settings) -> Route:
    """The route of an endpoint. Pages of the origins in MOS_CORS_ORIGINS may use those with the scope ``write``."""
    answer = Answering(endpoint, authentication, service.metrics)
    if endpoint.scope != "write" or not settings.origins:
        return Route(endpoint.path, answer, methods=[endpoint.method])
    headers = ["content-encoding", "content-type", "x-api-key", "x-request-id"]
    shared = CORSMiddleware(
        answer,
        allow_origins=settings.origins,
        allow_methods=[endpoint.method],
        allow_headers=headers,
        expose_headers=["Retry-After", "X-Request-ID"],
    )
    return Route(endpoint.path, shared, methods=[endpoint.method, "OPTIONS"])


def _decision_log(publisher: Publisher | None, settings: Settings, service: Service) -> DecisionLog:
    if publisher is None or not settings.decisions:
        return NoDecisionLog()
    return KafkaDecisionLog(publisher, settings, service.metrics)


async def _follow(keys: KeyRing, service: Service) -> None:
    """Read the keys again when their file changes."""
    while True:
        await asyncio.sleep(KEYS_EVERY)
        await asyncio.to_thread(keys.refresh)
        service.metrics.stale_keys.set(keys.problem is not None)
