"""Makes the answers of every endpoint: JSON, or an error in its one shape. Every answer is counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.http.authentication import Authentication
from serving.http.call import HEADER, SCOPE, Call, request_id_of
from serving.http.endpoint import Endpoint
from serving.http.problem import Problem, internal, method_not_allowed, not_found, not_ready
from serving.metrics import Metrics
from serving.scoring.answer import NoModelError

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

CLIENT_CLOSED = 499
"""The status under which the metrics count a request whose client went away before the answer."""


def json_answer(body: object, *, status: int = 200) -> Response:
    """Answer with a struct, or plain data, as JSON."""
    return Response(_encode(body), status, media_type="application/json")


def error_answer(problem: Problem) -> Response:
    """Answer with an error in the shape of ``ErrorBody``."""
    return Response(problem.body, problem.status, problem.headers, media_type="application/json")


class Answering:
    """An endpoint behind the keys, as an ASGI application. It makes answers of errors, and counts every answer.

    A function in its place would be wrapped by Starlette, to handle exceptions that do not leave this class.
    """

    def __init__(self, endpoint: Endpoint, authentication: Authentication, metrics: Metrics) -> None:
        self._endpoint = endpoint
        self._authentication = authentication
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        started = time.perf_counter()
        endpoint, metrics = self._endpoint, self._metrics
        status = CLIENT_CLOSED
        call = request.scope[SCOPE] = Call(request_id=request_id_of(request))
        try:
            call.client = self._authentication.check(request, endpoint.scope)
            response = await endpoint.handle(request)
            status = response.status_code
        except Problem as problem:
            response = error_answer(problem)
            status = response.status_code
        except NoModelError as error:
            response = error_answer(not_ready(str(error)))
            status = response.status_code
        except ClientDisconnect:
            response = Response(status_code=status)  # nobody reads it
        except Exception:
            log.exception("request %s of %s failed", call.request_id, call.client.name)
            response = error_answer(internal(call.request_id))
            status = response.status_code
        finally:  # also when the client's leaving cancels us
            metrics.answered(route=endpoint.path, status=status, seconds=time.perf_counter() - started)
            if call.client.key is not None:
                metrics.asked(call.client.key, status=status)
        response.headers[HEADER] = call.request_id
        return response


def unrouted(metrics: Metrics) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Make the handler of requests whose path, or whose method on that path, no endpoint has."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = not_found(request.url.path)
        if isinstance(error, HTTPException) and error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            problem = method_not_allowed(request.method, request.url.path, allowed)
        metrics.answered(route="none", status=problem.status, seconds=0.0)
        response = error_answer(problem)
        response.headers[HEADER] = request_id_of(request)
        return response

    return answer
