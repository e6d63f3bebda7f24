"""Makes the ASGI application: all endpoints around one service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from serving.http.answers import answering, unrouted
from serving.http.authentication import Authentication
from serving.http.openapi import document
from serving.http.routes.batch import batch
from serving.http.routes.docs import openapi_json, reference
from serving.http.routes.health import alive, ready
from serving.http.routes.metrics import metrics
from serving.http.routes.model import model
from serving.http.routes.recommend import recommend

if TYPE_CHECKING:
    from serving.scoring.service import Service  # imports torch, which only replicas need


def create_app(service: Service, *, api_key: str | None) -> Starlette:
    """Make the application around ``service``; its lifespan starts and stops the service.

    Plain Starlette routes: FastAPI's dependency and response machinery costs 25 to 70 µs a request here and
    would add nothing, since bodies are checked and documented by ``serving.http.api``.

    Args:
        service: answers the requests.
        api_key: what requests about users and models must have in the header X-API-Key; None asks for nothing.
    """
    endpoints = [
        recommend(service),
        batch(service),
        model(service),
        alive(),
        ready(service),
        metrics(service),
    ]
    described = document(endpoints, api_key=api_key is not None)
    endpoints += [openapi_json(described), reference(described)]
    authentication = Authentication(api_key)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.start()
        await asyncio.to_thread(service.wait_for_store)
        yield
        await asyncio.to_thread(service.stop)

    return Starlette(
        routes=[
            Route(endpoint.path, answering(endpoint, authentication, service.metrics), methods=[endpoint.method])
            for endpoint in endpoints
        ],
        exception_handlers={HTTPException: unrouted(service.metrics)},
        lifespan=lifespan,
    )
