"""Knows a record that was published twice: after a crash, the worker publishes the same bytes again."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b

REMEMBERED = 200_000
"""So many newest records are known again: far more than a worker publishes between two checkpoints."""


class Repeats:
    """Remembers the newest records of a topic by a hash of their bytes."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """Begin with nothing."""
        self._seen: set[bytes] = set()
        self._order: deque[bytes] = deque()
        self._remembered = remembered

    def seen(self, value: bytes) -> bool:
        """Whether this record was given before; it is remembered from now on."""
        digest = blake2b(value, digest_size=12).digest()
        if digest in self._seen:
            return True
        self._seen.add(digest)
        self._order.append(digest)
        if len(self._order) > self._remembered:
            self._seen.discard(self._order.popleft())
        return False
