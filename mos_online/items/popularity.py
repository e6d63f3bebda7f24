"""Counts which items are popular, in event time, per partition of the click topic."""

from __future__ import annotations

import numpy as np

from mos_online.contracts import Click, EventTypes, category_of
from mos_online.items.decay import DecayedCounts
from mos_online.items.snapshot import SLOW, PopularitySnapshot, most_popular

WARM_UP_CLICKS = 300_000
"""So many clicks before a moment are counted to know what is popular then; older ones hardly weigh anything."""


class ItemPopularity:
    """Counts the clicks on each item of one partition, exponentially decayed, once fast and once slowly.

    A click costs O(1). The order of the clicks does not matter. Actions add the weight of their type; other kinds of
    events are not counted.

    >>> a = ItemPopularity(half_life_ms=1000, partition=0, types=EventTypes.parse())
    >>> for t, item in ((0, "x"), (1000, "y"), (1000, "x")):
    ...     a.observe(Click(event_id=f"{t}{item}", user_id="u", item_id=item, timestamp=t))
    >>> s = a.snapshot(top=10); s.item_ids, s.counts, s.total
    (['x', 'y'], [1.5, 1.0], 2.5)
    """

    def __init__(self, *, half_life_ms: float, partition: int, types: EventTypes) -> None:
        """Start with no clicks.

        Args:
            half_life_ms: after this much event time a click counts half; in the slow counts after ``SLOW`` times it.
            partition: the partition of the click topic that is counted.
            types: what the types of events mean.
        """
        self.partition = partition
        self._types = types
        self._fast = DecayedCounts(half_life_ms)
        self._slow = DecayedCounts(half_life_ms * SLOW)
        self._as_of = 0
        self._rows: dict[str, int] = {}
        self._items: list[str] = []
        self._first_seen: list[int] = []
        self._category: list[str] = []

    def observe(self, click: Click, *, arrived_at: int | None = None) -> None:
        """Count one click and note the category that its context names.

        A click ahead of its arrival (``arrived_at``, ms, where it is known) counts as one that happened when it
        arrived: else it would weigh more than all others.
        """
        weight = self._types[click.event_type].weight
        if not weight:
            return
        timestamp = click.timestamp if arrived_at is None else min(click.timestamp, arrived_at)
        self._as_of = max(self._as_of, timestamp)
        row = self._row(click.item_id, timestamp)
        self._fast.add(row, timestamp, weight)
        self._slow.add(row, timestamp, weight)
        if (category := category_of(click)) is not None:
            self._category[row] = category

    def resume(self, snapshot: PopularitySnapshot) -> None:
        """Add what an earlier count of this partition had written before it was stopped."""
        at = snapshot.as_of
        self._as_of = max(self._as_of, at)
        for index, item in enumerate(snapshot.item_ids):
            row = self._row(item, snapshot.first_seen[index])
            self._fast.add(row, at, snapshot.counts[index])
            self._slow.add(row, at, snapshot.slow_counts[index])
            self._category[row] = self._category[row] or snapshot.categories[index]
        self._fast.total += (snapshot.total - sum(snapshot.counts)) * self._fast.unit(at)
        self._slow.total += (snapshot.slow_total - sum(snapshot.slow_counts)) * self._slow.unit(at)

    def snapshot(self, *, top: int) -> PopularitySnapshot:
        """List the ``top`` most popular items, by the sum of their fast and slow shares of the clicks.

        Among equals those first seen come first.
        """
        count = len(self._items)
        unit, slow_unit = self._fast.unit(self._as_of), self._slow.unit(self._as_of)
        total, slow_total = max(self._fast.total, 1e-300), max(self._slow.total, 1e-300)
        fast, slow = self._fast.first(count), self._slow.first(count)
        share = slow / slow_total + fast / total
        rows = most_popular(share, self._first_seen, self._items, top)
        best = np.array(rows, np.int64)
        return PopularitySnapshot(
            partition=self.partition,
            as_of=self._as_of,
            total=self._fast.total / unit,
            slow_total=self._slow.total / slow_unit,
            item_ids=[self._items[row] for row in rows],
            counts=(fast[best] / unit).tolist(),
            slow_counts=(slow[best] / slow_unit).tolist(),
            first_seen=[self._first_seen[row] for row in rows],
            categories=[self._category[row] for row in rows],
        )

    def _row(self, item: str, timestamp: int) -> int:
        row = self._rows.get(item)
        if row is None:
            row = self._rows[item] = len(self._items)
            self._items.append(item)
            self._first_seen.append(timestamp)
            self._category.append("")
        elif timestamp < self._first_seen[row]:
            self._first_seen[row] = timestamp
        return row
