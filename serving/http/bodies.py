"""Receives bodies: bounded in size, in time, and in the memory of all that arrive at once."""

from __future__ import annotations

import asyncio
from collections import Counter

from starlette.requests import ClientDisconnect, Request

from serving.http.call import call_of
from serving.http.encoding import decoded
from serving.http.problem import greedy, overloaded, too_large, too_slow
from serving.http.stream_rules import StreamRules
from serving.scoring.fair_share import RETRY_AFTER
from serving.scoring.limits import Limits


class Bodies:
    """Receives the bodies of all paths.

    Attributes:
        rules: the rules of the stream for the events in them.
    """

    def __init__(self, limits: Limits, rules: StreamRules) -> None:
        self.rules = rules
        self._limits = limits
        self._held = 0
        self._held_by: Counter[str] = Counter()

    async def receive(self, request: Request, *, limit: int) -> bytes:
        """Return the body of ``request`` without its encoding.

        Args:
            request: whose body it is.
            limit: largest body in bytes, as it comes and without its encoding.

        Raises:
            Problem: 413, the body is too large; 408, it is too slow; 429 or 503, too many arrive at once; else as
                ``decoded``.
        """
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise too_large(limit)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                raw, more = await _part(request)
                if more:
                    raw = await self._rest(request, raw, limit=limit)
        except TimeoutError:
            raise too_slow(self._limits.body_seconds) from None
        if len(raw) > limit:
            raise too_large(limit)
        return decoded(raw, request.headers.get("content-encoding", ""), limit=limit)

    async def _rest(self, request: Request, first: bytes, *, limit: int) -> bytes:
        """The whole of a body that comes in parts, of which we have the first."""
        client = call_of(request).client.name
        chunks: list[bytes] = []
        size, chunk, more = 0, first, True
        try:
            while True:
                size += len(chunk)
                self._hold(client, len(chunk))
                if size > limit:
                    raise too_large(limit)
                chunks.append(chunk)
                if not more:
                    return b"".join(chunks)
                chunk, more = await _part(request)
        finally:
            self._release(client, size)

    def _hold(self, client: str, size: int) -> None:
        self._held += size
        self._held_by[client] += size
        if self._held_by[client] > self._limits.bodies // 2:
            raise greedy("too many bodies of this client arrive at once", retry_after=RETRY_AFTER)
        if self._held > self._limits.bodies:
            raise overloaded("too many bodies arrive at once", retry_after=RETRY_AFTER)

    def _release(self, client: str, size: int) -> None:
        self._held -= size
        self._held_by[client] -= size
        if not self._held_by[client]:
            del self._held_by[client]


async def _part(request: Request) -> tuple[bytes, bool]:
    """The next part of a body, and whether more follows. ``Request.stream`` is dearer: it is an async generator."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
