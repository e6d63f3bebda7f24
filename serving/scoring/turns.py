"""When which model and router was answering, so that an arm is not charged with what another one takes."""

from __future__ import annotations

from collections import deque

KEPT = 1024
"""Turns that are remembered. A turn takes a millisecond at least, and a query waits about a second at most."""


class Turns:
    """The last turns, one after the other, each of one model and router; by one thread."""

    def __init__(self) -> None:
        """There was none."""
        self._turns: deque[tuple[int, float, float]] = deque(maxlen=KEPT)

    def add(self, of: int, began: float, ended: float) -> None:
        """Note a turn.

        Args:
            of: tells the model and router.
            began: in seconds of a clock, and not before the end of the turn before.
            ended: of the same clock.
        """
        self._turns.append((of, began, ended))

    def of_others(self, of: int, since: float) -> float:
        """How many seconds since then were turns of others than this model and router.

        >>> turns = Turns()
        >>> turns.add(1, 10.0, 12.0)
        >>> turns.add(2, 12.0, 15.0)
        >>> turns.of_others(2, 11.0), turns.of_others(1, 11.0), turns.of_others(3, 11.0)
        (1.0, 3.0, 4.0)
        """
        found = 0.0
        for other, began, ended in reversed(self._turns):
            if ended <= since:
                break
            if other != of:
                found += ended - max(began, since)
        return found
