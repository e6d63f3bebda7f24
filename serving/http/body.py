"""Reads the bodies of requests."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from starlette.requests import Request

from mos_online.contracts import NOT_JSON, decode_leniently
from serving.http.api import BatchRequest, RecommendRequest
from serving.http.invalid import invalid
from serving.http.problem import Problem, not_json, too_large

Body = TypeVar("Body", bound=RecommendRequest | BatchRequest)


class BodyReader(Generic[Body]):
    """Reads, parses and checks the bodies of one path."""

    def __init__(self, kind: type[Body], *, limit: int) -> None:
        """``limit`` is the size in bytes of the largest body."""
        self._kind: type[Body] = kind
        self._limit = limit
        self._lists = ("requests", "events") if kind is BatchRequest else ("events",)
        self._decoder: msgspec.json.Decoder[Body] = msgspec.json.Decoder(kind)

    async def read(self, request: Request) -> Body:
        """Read the body of ``request``, no further than the limit, and parse it.

        Raises:
            Problem: 413, the body is too large; else as ``parse``.
        """
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limit:
            raise too_large(self._limit)
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._limit:
                raise too_large(self._limit)
            chunks.append(chunk)
        return self.parse(b"".join(chunks))

    def parse(self, raw: bytes) -> Body:
        """Parse and check the bytes of a body.

        Raises:
            Problem: 400, the body is not JSON; 422, a field is missing, unknown, mistyped or out of range.
        """
        try:
            body = decode_leniently(self._decoder, raw, *self._lists)
        except msgspec.ValidationError as error:
            raise invalid(str(error), self._kind) from None
        except NOT_JSON as error:
            raise not_json(str(error)) from None
        if isinstance(body, BatchRequest):
            for index, request in enumerate(body.requests):
                _check_times(request, f"$.requests[{index}]")
        else:
            _check_times(body, "$")
        return body


def _check_times(request: RecommendRequest, path: str) -> None:
    if request.timestamp is None:
        return
    for index, event in enumerate(request.events):
        if event.timestamp > request.timestamp:
            raise Problem(
                422,
                "invalid",
                f"an event is later ({event.timestamp}) than the moment to recommend for ({request.timestamp}) "
                f"- at `{path}.events[{index}].timestamp`",
                fix="leave such events out, or send a later `timestamp` (or none: now)",
            )
