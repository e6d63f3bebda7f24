"""The ASGI application: paths, authentication, limits, errors, metrics."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http.api import BatchRequest, BatchResponse, Health, RecommendRequest
from serving.http.body import BodyReader
from serving.http.openapi import document
from serving.http.problem import (
    Problem,
    internal,
    method_not_allowed,
    new_request_id,
    not_found,
    not_ready,
    too_large,
    unauthorized,
)
from serving.http.reference import page

if TYPE_CHECKING:
    from serving.scoring.service import Service  # imports torch, which only replicas need

log = logging.getLogger(__name__)
encode = msgspec.json.Encoder().encode
Handler = Callable[[Request], Awaitable[Response]]

CLIENT_CLOSED = 499
"""What the metrics call a request whose client went away before the answer."""


def create_app(service: Service, *, api_key: str | None) -> Starlette:
    """The application around ``service``, which its lifespan starts and stops.

    Plain Starlette routes: FastAPI's dependency and response machinery costs 25 to 70 µs a request here and
    would add nothing, since bodies are checked and documented by ``serving.http.api``.
    """
    one = BodyReader(RecommendRequest)
    many = BodyReader(BatchRequest)
    openapi = encode(document(api_key=api_key is not None))
    html = page(document(api_key=api_key is not None)).encode()
    key = api_key.encode() if api_key else None

    async def recommend(request: Request) -> Response:
        _authenticate(request, key)
        body = one.read(await _body(request, service.limits.body))
        (answer,) = await service.recommend([body])
        return _json(answer)

    async def recommend_batch(request: Request) -> Response:
        _authenticate(request, key)
        body = many.read(await _body(request, service.limits.batch_body))
        return _json(BatchResponse(responses=await service.recommend(body.requests)))

    async def model(request: Request) -> Response:
        _authenticate(request, key)
        return _json(service.model_info())

    async def healthz(_: Request) -> Response:
        return _json(Health(status="alive"))

    async def readyz(_: Request) -> Response:
        if reason := service.not_ready():
            raise not_ready(reason)
        return _json(Health(status="ready"))

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi_json(_: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def docs(_: Request) -> Response:
        return Response(html, media_type="text/html; charset=utf-8")

    def route(path: str, handler: Handler, method: str) -> Route:
        return Route(path, _answering(handler, path, service), methods=[method])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.stop)

    return Starlette(
        routes=[
            route("/v1/recommend", recommend, "POST"),
            route("/v1/recommend/batch", recommend_batch, "POST"),
            route("/v1/model", model, "GET"),
            route("/healthz", healthz, "GET"),
            route("/readyz", readyz, "GET"),
            route("/metrics", metrics, "GET"),
            route("/openapi.json", openapi_json, "GET"),
            route("/docs", docs, "GET"),
        ],
        exception_handlers={HTTPException: _unrouted(service)},
        lifespan=lifespan,
    )


def _answering(handler: Handler, path: str, service: Service) -> Handler:
    """``handler``, with its errors as answers and everything counted."""

    async def endpoint(request: Request) -> Response:
        started = time.perf_counter()
        status = CLIENT_CLOSED
        try:
            response = await handler(request)
            status = response.status_code
        except Problem as problem:
            response = _error(problem)
            status = response.status_code
        except ClientDisconnect:
            response = Response(status_code=status)  # nobody reads it
        except Exception:
            request_id = new_request_id()
            log.exception("request %s failed", request_id)
            response = _error(internal(request_id))
            status = response.status_code
        finally:  # also when the client's leaving cancels us
            service.metrics.answered(route=path, status=status, seconds=time.perf_counter() - started)
        return response

    return endpoint


def _unrouted(service: Service) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        problem = not_found(request.url.path)
        if isinstance(error, HTTPException) and error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            problem = method_not_allowed(request.method, request.url.path, allowed)
        service.metrics.answered(route="none", status=problem.status, seconds=0.0)
        return _error(problem)

    return handle


def _authenticate(request: Request, key: bytes | None) -> None:
    if key is None:
        return
    given = request.headers.get("x-api-key")
    if given is None or not hmac.compare_digest(given.encode("latin-1"), key):
        raise unauthorized(given=given is not None)


async def _body(request: Request, limit: int) -> bytes:
    """The request's body, read no further than ``limit`` bytes."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _json(body: Any) -> Response:
    return Response(encode(body), media_type="application/json")


def _error(problem: Problem) -> Response:
    return Response(problem.body, problem.status, problem.headers, media_type="application/json")
