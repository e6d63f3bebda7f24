"""Follows counts in the store that models rank with: popularity or co-clicks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot, newest
from mos_online.items.update_schedule import ReadSchedule

Snapshot = TypeVar("Snapshot", PopularitySnapshot, CoClickSnapshot)


class Counts(Generic[Snapshot]):
    """Counts of one kind, of all partitions; called by the thread that refreshes.

    Attributes:
        known: those that the models were told last.
    """

    def __init__(self, read: Callable[[int], list[Snapshot] | None], *, longest: float) -> None:
        """Know of none.

        Args:
            read: gives those of so many partitions; None if the store cannot tell.
            longest: seconds from one reading to the next, at most.
        """
        self.known: list[Snapshot] = []
        self._read: Callable[[int], list[Snapshot] | None] = read
        self._schedule = ReadSchedule(longest=longest)

    def waits(self, now: float) -> float:
        """Seconds until the next reading is due; 0 if it is."""
        return self._schedule.waits(now)

    def follow(self, partitions: int, half_life_ms: float, tell: Callable[[list[Snapshot]], object]) -> None:
        """Read them if it is time, and tell of new ones.

        Args:
            partitions: so many are read.
            half_life_ms: of the counts.
            tell: takes them; if it raises, they are told again after the next reading.
        """
        began = time.monotonic()
        if self.waits(began):
            return
        snapshots = self._read(partitions)
        try:
            if snapshots is not None and snapshots != self.known:
                tell(snapshots)
                self.known = snapshots
        finally:
            self._schedule.read(began, time.monotonic(), newest(self.known), half_life_ms)
