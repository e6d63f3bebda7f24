"""How far the event time of each input of the joiner has come, and of all together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mos_online.feedback.rules import JoinRules

LIVE_WITHIN = 3_600_000
"""Data counts as live if its newest record was at most so much (ms) older than its arrival."""


class InputClock:
    """The event time of one input. A record that is ahead of its arrival counts as one that was sent at once.

    Attributes:
        newest: the largest event time (ms); -1 before the first record.
        arrived_at: when the last record arrived (ms); -1 before the first record.
    """

    __slots__ = ("arrived_at", "newest")

    def __init__(self) -> None:
        self.newest = -1
        self.arrived_at = -1

    def observe(self, timestamp: int, arrived_at: int) -> None:
        """Take note of a record of this event time (ms) that arrived at ``arrived_at`` (ms)."""
        self.arrived_at = max(self.arrived_at, arrived_at)
        self.newest = max(self.newest, min(timestamp, arrived_at))

    def watermark(self, rules: JoinRules) -> int:
        """Older records are not waited for (ms); -1 before the first record."""
        return max(-1, self.newest - rules.lateness)

    def idle_watermark(self, now: int, idle_timeout: int, rules: JoinRules) -> int | None:
        """The same for an input without new records at ``now`` (ms): live data has gone on with the wall clock.

        None if the wall clock says nothing about it: data that is not live, or no data at all.
        """
        if self.newest < 0 or self.arrived_at - self.newest > LIVE_WITHIN:
            return None
        gone_on = self.newest + max(0, now - idle_timeout - self.arrived_at) - rules.lateness
        return max(self.watermark(rules), gone_on)


def joint_watermark(
    clocks: Mapping[str, InputClock], idle: Collection[str], now: int, *, idle_timeout: int, rules: JoinRules
) -> int:
    """The event time (ms) up to which all inputs are complete: the least of their watermarks.

    An idle input does not hold the others back: with live data it goes on with the wall clock, and otherwise it does
    not count. If none counts, the newest record of all decides.

    Args:
        clocks: of all inputs.
        idle: the inputs all of whose records have been taken, the last one at least ``idle_timeout`` ago.
        now: the worker's clock (ms).
        idle_timeout: in ms.
        rules: say how late records may be.

    >>> clocks = {"a": InputClock(), "b": InputClock(), "c": InputClock()}
    >>> for name, time in (("a", 90_000), ("b", 70_000)):
    ...     clocks[name].observe(time, 10**9)
    >>> rules = JoinRules(lateness=60_000)
    >>> [joint_watermark(clocks, idle, 10**9, idle_timeout=5000, rules=rules) for idle in ("", "c", "bc", "abc")]
    [-1, 10000, 30000, 30000]
    """
    marks = []
    for name, clock in clocks.items():
        mark = clock.idle_watermark(now, idle_timeout, rules) if name in idle else clock.watermark(rules)
        if mark is not None:
            marks.append(mark)
    return min(marks) if marks else max(clock.watermark(rules) for clock in clocks.values())
