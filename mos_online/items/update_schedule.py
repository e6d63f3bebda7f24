"""When counts of the items are written and read: by the clock, and sooner where event time runs faster than it.

At the pace of live traffic, event time moves by a second in a second, and the clock alone decides. In a replay, or
while a backlog is processed, event time may move by minutes in a second. Then counts are passed on each time that it
has moved by a span, or as soon after that as the cost of it allows. All times without a unit are seconds of a clock.
"""

from __future__ import annotations

SPANS = 60
"""Into so many spans a half-life is cut. In one span a count loses about one percent."""

SHARE = 0.25
"""What is written or read sooner than by the clock takes at most this share of the time of one core."""


class WriteSchedule:
    """When to write what has been counted."""

    def __init__(self, *, longest: float, share: float = SHARE) -> None:
        """Begin without a write; the first one is due at once.

        Args:
            longest: seconds from one write to the next, as long as something is to be written.
            share: of the time that more frequent writes may take.
        """
        self._longest = longest
        self._share = share
        self._by_clock = self._by_cost = 0.0

    def due(self, now: float, behind_ms: float, half_life_ms: float) -> bool:
        """Whether to write.

        Args:
            now: the clock.
            behind_ms: by how much event time (ms) what is written is older than what is counted.
            half_life_ms: of the counts.
        """
        return now >= self._by_clock or (behind_ms >= half_life_ms / SPANS and now >= self._by_cost)

    def wrote(self, began: float, ended: float) -> None:
        """Note a write."""
        self._by_clock = began + self._longest
        self._by_cost = ended + _rest(ended - began, self._share)


class ReadSchedule:
    """When to read what another program writes at times that are its own."""

    def __init__(self, *, longest: float, share: float = SHARE) -> None:
        """Begin without a reading; the first one is due at once.

        Args:
            longest: seconds from the end of one reading to the next, at most.
            share: of the time that more frequent readings may take.
        """
        self._longest = longest
        self._share = share
        self._at = 0.0
        self._pause = longest
        self._newest: int | None = None
        self._moved_at = 0.0

    def waits(self, now: float) -> float:
        """Seconds until the next reading is due; 0 if it is."""
        return max(self._at - now, 0.0)

    def read(self, began: float, ended: float, newest: int, half_life_ms: float) -> None:
        """Note a reading; the next one comes when event time, at the pace that it has, will have moved by a span.

        Args:
            began: the clock before it.
            ended: the clock after what was read had been taken up.
            newest: event time (ms) up to which it counts, 0 where there is nothing.
            half_life_ms: of the counts.
        """
        rest, before = _rest(ended - began, self._share), self._newest
        if before is not None and newest > before:
            pace = (newest - before) / max(began - self._moved_at, 1e-9)  # ms in a second
            self._pause = half_life_ms / SPANS / pace
        else:
            self._pause *= 2  # nothing new: event time may have stopped
        if newest != before:
            self._newest, self._moved_at = newest, began
        self._pause = min(max(self._pause, rest), self._longest)
        self._at = ended + self._pause


def _rest(took: float, share: float) -> float:
    """Seconds of rest after something that took so long, so that all of it takes this share of the time."""
    return took * (1 / share - 1)
