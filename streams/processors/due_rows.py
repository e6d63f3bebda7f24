"""Which partitions have counts that their rows do not have, and whether it is time to write these rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from mos_online.items.update_schedule import SHARE, WriteSchedule


class DueRows:
    """The partitions whose rows are to be written; ``changed`` is theirs who write them.

    Attributes:
        changed: partitions with counts that are not written.
    """

    def __init__(self, *, longest: float, share: float = SHARE) -> None:
        """Begin with nothing to write; ``longest`` and ``share`` are those of ``WriteSchedule``."""
        self.changed: set[int] = set()
        self._schedule = WriteSchedule(longest=longest, share=share)
        self._counted: dict[int, int] = {}
        self._written: dict[int, int] = {}

    def count(self, partition: int, as_of: int) -> None:
        """A partition has been counted up to an event time (ms)."""
        self.changed.add(partition)
        self._counted[partition] = as_of
        self._written.setdefault(partition, as_of)

    def due(self, half_life_ms: float) -> bool:
        """Whether rows are to be written now."""
        behind = max((self._counted[number] - self._written[number] for number in self.changed), default=-1)
        return behind >= 0 and self._schedule.due(time.monotonic(), behind, half_life_ms)

    def take(self, partition: int) -> None:
        """The row of a partition is about to be written; ``put_back`` says that it was not."""
        self.changed.discard(partition)
        self._written[partition] = self._counted[partition]

    def clear(self) -> None:
        """No partition is ours any more."""
        self.changed, self._counted, self._written = set(), {}, {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Note how long the block takes, which says when the next one may follow."""
        began = time.monotonic()
        yield
        self._schedule.wrote(began, time.monotonic())
