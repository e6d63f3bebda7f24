"""Reads the bodies of requests."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from starlette.requests import Request

from mos_online.contracts import NOT_JSON, decode_leniently
from mos_online.contracts.lenient import Lists
from serving.http.api import BatchRequest, EventsRequest, RecommendRequest
from serving.http.bodies import Bodies
from serving.http.invalid import invalid
from serving.http.problem import not_json

Body = TypeVar("Body", bound=RecommendRequest | BatchRequest | EventsRequest)
_LISTS: dict[type[msgspec.Struct], tuple[Lists, ...]] = {
    RecommendRequest: ("events",),
    BatchRequest: ("requests", "events"),
    EventsRequest: (("clicks", "impressions"),),
}
"""The lists of objects in each body; see ``decode_leniently``."""


class BodyReader(Generic[Body]):
    """Reads, parses and checks the bodies of one path."""

    def __init__(self, kind: type[Body], bodies: Bodies, *, limit: int) -> None:
        """``limit`` is the size in bytes of the largest body; ``bodies`` receives it."""
        self._kind: type[Body] = kind
        self._bodies = bodies
        self._limit = limit
        self._lists = _LISTS[kind]
        self._decoder: msgspec.json.Decoder[Body] = msgspec.json.Decoder(kind)

    async def read(self, request: Request) -> Body:
        """Receive the body of ``request`` and parse it; raise what ``Bodies.receive`` and ``parse`` raise."""
        return self.parse(await self._bodies.receive(request, limit=self._limit))

    def parse(self, raw: bytes) -> Body:
        """Parse and check the bytes of a body.

        Raises:
            Problem: 400, the body is not JSON; 422, a field is missing, unknown, mistyped or out of range,
                or a time cannot be believed.
        """
        try:
            body = decode_leniently(self._decoder, raw, *self._lists)
        except msgspec.ValidationError as error:
            raise invalid(str(error), self._kind) from None
        except NOT_JSON as error:
            raise not_json(str(error)) from None
        rules = self._bodies.rules
        if isinstance(body, BatchRequest):
            for index, request in enumerate(body.requests):
                rules.check(request, f"$.requests[{index}]")
        elif isinstance(body, EventsRequest):
            rules.check_events(body)
        else:
            rules.check(body, "$")
        return body
