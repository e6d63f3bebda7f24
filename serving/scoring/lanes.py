"""A queue in which clients take turns."""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """Passes entries to one thread: the entries of a client in their order, and the clients in turn.

    So who has one query waits for one round, however many queries another client has waiting.
    """

    def __init__(self) -> None:
        self._arrived: SimpleQueue[tuple[str, T] | None] = SimpleQueue()
        # The reading thread alone touches what follows.
        self._lanes: dict[str, deque[T]] = {}
        self._turn: deque[str] = deque()
        self._closed = False

    def put(self, client: str, entry: T) -> None:
        """Add an entry; from any thread."""
        self._arrived.put((client, entry))

    def close(self) -> None:
        """Let ``take`` return nothing once all entries have been taken; from any thread."""
        self._arrived.put(None)

    def take(self, most: int) -> list[T]:
        """Wait for an entry and return it with those behind it, at most ``most``; none at the end."""
        self._sort(wait=not self._turn and not self._closed)
        taken: list[T] = []
        while self._turn and len(taken) < most:
            client = self._turn.popleft()
            lane = self._lanes[client]
            taken.append(lane.popleft())
            if lane:
                self._turn.append(client)
            else:
                del self._lanes[client]
        return taken

    def _sort(self, *, wait: bool) -> None:
        """Put what has arrived into the lanes."""
        while True:
            try:
                arrived = self._arrived.get(block=wait)
            except Empty:
                return
            if arrived is None:
                self._closed = True
                return
            wait = False
            client, entry = arrived
            lane = self._lanes.get(client)
            if lane is None:
                self._lanes[client] = deque([entry])
                self._turn.append(client)
            else:
                lane.append(entry)
