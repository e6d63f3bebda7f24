"""A clock that stands still while a test works, so that nothing depends on how busy the machine is."""

from __future__ import annotations


class StandingClock:
    """In place of the module ``time``: it goes on only when somebody sleeps, or when a test moves ``now`` (s)."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
