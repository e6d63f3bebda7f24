"""Errors as HTTP answers. All of them have one shape, and each says what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong. ``code`` is for programs and stays stable; ``message`` and ``fix`` are for people."""

    code: str
    message: str
    fix: str


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is not 2xx."""

    error: ErrorDetail


class Problem(Exception):  # noqa: N818 - an outcome of a request, not a fault of the program
    """A request that ends in an error answer.

    Attributes:
        status: HTTP status.
        code, message, fix: see ``ErrorDetail``.
        headers: extra headers of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, *, fix: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fix = fix
        self.headers = dict(headers or {})

    @property
    def body(self) -> bytes:
        """The body of the answer, as JSON."""
        return msgspec.json.encode(ErrorBody(error=ErrorDetail(code=self.code, message=self.message, fix=self.fix)))


def not_json(detail: str) -> Problem:
    """Make a 400: the body cannot be read as JSON."""
    return Problem(400, "not_json", f"the body is not JSON: {detail}", fix="send one JSON object in UTF-8")


def unauthorized(*, given: bool) -> Problem:
    """Make a 401: the API key is missing or wrong."""
    message = "the API key in X-API-Key is wrong" if given else "the header X-API-Key is missing"
    return Problem(
        401,
        "unauthorized",
        message,
        fix="send a key that the service knows (MOS_API_KEY or MOS_API_KEYS_FILE) in the header X-API-Key",
        headers={"WWW-Authenticate": 'ApiKey realm="mos"'},
    )


def forbidden(key: str, scope: str) -> Problem:
    """Make a 403: the key with this id does not have the scope."""
    return Problem(
        403,
        "forbidden",
        f"the key {key!r} does not have the scope {scope!r}",
        fix="use another key, or give this one the scope in the file of keys",
    )


def not_found(path: str) -> Problem:
    """Make a 404: there is no such path."""
    return Problem(404, "not_found", f"there is nothing at {path}", fix="the paths are listed in /openapi.json")


def method_not_allowed(method: str, path: str, allowed: str) -> Problem:
    """Make a 405: the path exists, for other methods."""
    return Problem(
        405,
        "method_not_allowed",
        f"{path} does not answer {method}",
        fix=f"use {allowed}",
        headers={"Allow": allowed},
    )


def too_large(limit: int) -> Problem:
    """Make a 413: the body is larger than this path reads."""
    return Problem(
        413,
        "too_large",
        f"the body is larger than {limit} bytes",
        fix="send fewer events or excluded items, or several smaller requests",
    )


def too_slow(seconds: float) -> Problem:
    """Make a 408: the body did not arrive in time. The connection is closed, since the rest may still come."""
    return Problem(
        408,
        "too_slow",
        f"the body did not arrive within {seconds:g} s",
        fix="send it in one piece, or a smaller one",
        headers={"Connection": "close"},
    )


def greedy(message: str, *, retry_after: int) -> Problem:
    """Make a 429: one client asks for more than its share.

    Args:
        message: what it holds, and what its share is.
        retry_after: seconds after which a retry makes sense.
    """
    return Problem(
        429,
        "too_many_requests",
        message,
        fix=f"retry after {retry_after} s, and have fewer requests waiting at once",
        headers={"Retry-After": str(retry_after)},
    )


def overloaded(message: str, *, retry_after: int) -> Problem:
    """Make a 503: more is waiting than can be answered in time.

    Args:
        message: what was full or late.
        retry_after: seconds after which a retry makes sense.
    """
    return Problem(
        503,
        "overloaded",
        message,
        fix=f"retry after {retry_after} s, slow down, or start the service with more replicas (MOS_SERVE_REPLICAS)",
        headers={"Retry-After": str(retry_after)},
    )


def not_ready(reasons: str) -> Problem:
    """Make a 503: the service runs but cannot give its best answers yet."""
    return Problem(
        503,
        "not_ready",
        f"not ready: {reasons}",
        fix="wait a moment; if it stays so, `mos doctor` checks the store and the model",
        headers={"Retry-After": "1"},
    )


def internal(request_id: str) -> Problem:
    """Make a 500: a fault of ours, whose traceback is in the log under ``request_id``."""
    return Problem(
        500,
        "internal",
        f"the service failed to answer (request {request_id})",
        fix=f"retry once; if it stays so, look for {request_id} in the service's log and report it",
    )
