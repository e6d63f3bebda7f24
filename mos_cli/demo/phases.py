"""How long each step of the demo took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Phases:
    """Measures steps by name.

    Attributes:
        seconds: name -> how long it took, in the order in which the steps ended.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun = time.monotonic()

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Take the time of the block, also if it fails."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 1)

    @property
    def total(self) -> float:
        """Seconds since the first step could begin."""
        return round(time.monotonic() - self._begun, 1)
