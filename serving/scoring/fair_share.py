"""How much of a replica one client may hold, so that a greedy one leaves room for the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from serving.scoring.answer import GreedyError, OverloadedError

RETRY_AFTER = 1
"""Seconds; a full queue empties in well under one."""
ACTIVE_SECONDS = 1.0
"""A client counts as active for this long after its last call."""
_LOOK_AGAIN = 0.1
"""Seconds between looks for clients that are not active any more."""


def open_room(room: int) -> int:
    """How much of the room one client alone can fill."""
    return room - room // 4


@dataclass(slots=True, eq=False)
class _Share:
    pending: int
    seen: float


class FairShare:
    """Counts the queries that each client has waiting. Call it from one thread.

    A quarter of the room is kept for those who hold less than their share, so a client alone can fill three quarters.
    The share is that divided by the number of active clients. While the room is not filled so far, a client may hold
    one largest call beyond its share. A client that holds nothing is always let in where there is room.
    """

    def __init__(self, *, room: int, call: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Make the counts.

        Args:
            room: queries that may wait, of all clients.
            call: queries of the largest call.
            clock: gives seconds.
        """
        self._room = room
        self._open = open_room(room)
        self._call = call
        self._clock = clock
        self._clients: dict[str, _Share] = {}
        self._pending = 0
        self._looked = clock()

    @property
    def active(self) -> int:
        """How many clients share the room."""
        return len(self._clients)

    def take(self, client: str, queries: int) -> None:
        """Count queries of a client in.

        Raises:
            GreedyError: the client holds its share already.
            OverloadedError: there is no room.
        """
        now = self._clock()
        if now - self._looked > _LOOK_AGAIN:
            self._forget(now)
        share = self._clients.get(client)
        if share is None:
            share = self._clients[client] = _Share(pending=0, seen=now)
        share.seen = now
        wanted = share.pending + queries
        fair = self._open // len(self._clients)
        allowed = fair if self._pending + queries > self._open else max(fair, self._call)
        if share.pending and wanted > allowed:
            raise GreedyError(
                f"this client has {share.pending} requests waiting; its share is {allowed}", retry_after=RETRY_AFTER
            )
        if self._pending + queries > self._room:
            raise OverloadedError(f"{self._pending} requests are waiting already", retry_after=RETRY_AFTER)
        share.pending = wanted
        self._pending += queries

    def give_back(self, client: str, queries: int) -> None:
        """Count queries of a client out."""
        self._clients[client].pending -= queries
        self._pending -= queries

    def _forget(self, now: float) -> None:
        self._looked = now
        self._clients = {
            name: share for name, share in self._clients.items() if share.pending or now - share.seen <= ACTIVE_SECONDS
        }
