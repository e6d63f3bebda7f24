"""Counts which items are popular, in event time, per partition of the click topic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mos_online.arrays import Floats
from mos_online.contracts import Click, EventTypes, category_of
from mos_online.items.decay import DecayedCounts
from mos_online.items.distinct_users import user_bit
from mos_online.items.session_starts import SessionStarts
from mos_online.items.snapshot import LISTED_ITEMS, SLOW, PopularitySnapshot, most_popular

WARM_UP_CLICKS = 300_000
"""So many clicks before a moment are counted to know what is popular then; older ones hardly weigh anything."""

ITEM_BYTES = 350
"""About what an item takes in memory, beside the characters of its id and of its category."""

CountedClick = tuple[str, str, int, float, str | None]
"""User, item, time (ms), weight and, if it is known, the category of the item."""


class ItemPopularity:
    """Counts the clicks on each item of one partition, exponentially decayed, once fast and once slowly.

    The clicks that begin a session are counted among all, and by themselves, too: what a visit begins with is not what
    comes later in it. A click costs O(1). The order of the clicks does not matter, as long as those of a user come in
    order of time.

    >>> a = ItemPopularity(half_life_ms=1000, gap_ms=500, partition=0)
    >>> for t, item in ((0, "x"), (1000, "y"), (1000, "x")):
    ...     a.add("u", item, t, weight=1.0)
    >>> s = a.snapshot(top=10); s.item_ids, s.counts, s.total, s.start_counts
    (['x', 'y'], [1.5, 1.0], 2.5, [0.5, 1.0])
    """

    def __init__(self, *, half_life_ms: float, gap_ms: int, partition: int, most_bytes: int | None = None) -> None:
        """Start with no clicks.

        Args:
            half_life_ms: after this much event time a click counts half; in the slow counts after ``SLOW`` times it.
            gap_ms: a session ends when its user is silent for longer.
            partition: the partition of the click topic that is counted.
            most_bytes: if the items take more memory than this, the least popular ones are forgotten until half of it
                is left. The totals keep their clicks. None: no item is forgotten.
        """
        self.partition = partition
        self.half_life_ms = half_life_ms
        self._most_bytes = most_bytes
        self._bytes = 0
        self._fast = DecayedCounts(half_life_ms)
        self._slow = DecayedCounts(half_life_ms * SLOW)
        self._fast_starts = DecayedCounts(half_life_ms)
        self._slow_starts = DecayedCounts(half_life_ms * SLOW)
        self._counts = self._fast, self._slow, self._fast_starts, self._slow_starts
        self._starts = SessionStarts(gap_ms)
        self.as_of = 0
        self._rows: dict[str, int] = {}
        self._items: list[str] = []
        self._first_seen: list[int] = []
        self._category: list[str] = []
        self._users: list[int] = []

    def __len__(self) -> int:
        """Items that are remembered."""
        return len(self._items)

    def observe(self, click: Click, types: EventTypes) -> None:
        """Count a click of a recorded log: an action adds the weight of its type, other events add nothing."""
        weight = types[click.event_type].weight
        if weight:
            self.add(click.user_id, click.item_id, click.timestamp, weight=weight, category=category_of(click))

    def add(self, user_id: str, item_id: str, timestamp: int, *, weight: float, category: str | None = None) -> None:
        """Count what a user did with an item at ``timestamp`` (ms), and note the item's category if there is one."""
        self.as_of = max(self.as_of, timestamp)
        row = self._noted(user_id, item_id, timestamp, category)
        self._fast.add(row, timestamp, weight)
        self._slow.add(row, timestamp, weight)
        if self._starts.note(user_id, timestamp):
            self._fast_starts.add(row, timestamp, weight)
            self._slow_starts.add(row, timestamp, weight)
        self._bound_memory()

    def add_all(self, clicks: Sequence[CountedClick]) -> None:
        """The same for many at once, which costs less. Of a click without weight only its time is remembered."""
        begins = [self._starts.note(click[0], click[2]) for click in clicks]
        if not all(click[3] for click in clicks):
            begins = [begin for begin, click in zip(begins, clicks, strict=True) if click[3]]
            clicks = [click for click in clicks if click[3]]
        if not clicks:
            return
        rows = np.array([self._noted(user, item, time, category) for user, item, time, _, category in clicks], np.int64)
        times = np.array([click[2] for click in clicks], np.int64)
        weights = np.array([click[3] for click in clicks])
        starts = np.array(begins)
        self.as_of = max(self.as_of, int(times.max()))
        self._fast.add_all(rows, times, weights)
        self._slow.add_all(rows, times, weights)
        self._fast_starts.add_all(rows[starts], times[starts], weights[starts])
        self._slow_starts.add_all(rows[starts], times[starts], weights[starts])
        self._bound_memory()

    def with_half_life(self, half_life_ms: float) -> ItemPopularity:
        """A count that goes on from the items that are listed now, with another half-life."""
        changed = ItemPopularity(
            half_life_ms=half_life_ms,
            gap_ms=self._starts.gap_ms,
            partition=self.partition,
            most_bytes=self._most_bytes,
        )
        changed.resume(self.snapshot(top=LISTED_ITEMS))
        changed._starts = self._starts
        return changed

    def pass_time(self, timestamp: int) -> None:
        """Let event time reach ``timestamp`` (ms), to which counts are decayed then; it never goes back."""
        self.as_of = max(self.as_of, timestamp)

    def resume(self, snapshot: PopularitySnapshot) -> None:
        """Add what an earlier count of this partition had written before it was stopped."""
        at = snapshot.as_of
        self.as_of = max(self.as_of, at)
        for index, item in enumerate(snapshot.item_ids):
            row = self._row(item, snapshot.first_seen[index])
            self._fast.add(row, at, snapshot.counts[index])
            self._slow.add(row, at, snapshot.slow_counts[index])
            self._fast_starts.add(row, at, snapshot.start_counts[index])
            self._slow_starts.add(row, at, snapshot.slow_start_counts[index])
            self._category[row] = self._category[row] or snapshot.categories[index]
            self._users[row] |= snapshot.users[index]
        for counts, total, listed in (
            (self._fast, snapshot.total, snapshot.counts),
            (self._slow, snapshot.slow_total, snapshot.slow_counts),
            (self._fast_starts, snapshot.start_total, snapshot.start_counts),
            (self._slow_starts, snapshot.slow_start_total, snapshot.slow_start_counts),
        ):
            unit = counts.unit(at)  # first: it may rescale what is there
            counts.total += (total - sum(listed)) * unit

    def snapshot(self, *, top: int) -> PopularitySnapshot:
        """List the ``top`` most popular items, by the sum of their fast and slow shares of the clicks.

        Among equals those first seen come first.
        """
        rows = most_popular(self._shares(), self._first_seen, self._items, top)
        best = np.array(rows, np.int64)
        units = [counts.unit(self.as_of) for counts in self._counts]
        totals = [counts.total / unit for counts, unit in zip(self._counts, units, strict=True)]
        fast, slow, fast_starts, slow_starts = (
            (counts.first(len(self._items))[best] / unit).tolist()
            for counts, unit in zip(self._counts, units, strict=True)
        )
        return PopularitySnapshot(
            partition=self.partition,
            as_of=self.as_of,
            total=totals[0],
            slow_total=totals[1],
            start_total=totals[2],
            slow_start_total=totals[3],
            item_ids=[self._items[row] for row in rows],
            counts=fast,
            slow_counts=slow,
            start_counts=fast_starts,
            slow_start_counts=slow_starts,
            first_seen=[self._first_seen[row] for row in rows],
            categories=[self._category[row] for row in rows],
            users=[self._users[row] for row in rows],
        )

    def _shares(self) -> Floats:
        """The sum of the slow and the fast share of each item, float64 (n,), by row."""
        count = len(self._items)
        total, slow_total = max(self._fast.total, 1e-300), max(self._slow.total, 1e-300)
        return self._slow.first(count) / slow_total + self._fast.first(count) / total

    def _noted(self, user_id: str, item_id: str, timestamp: int, category: str | None) -> int:
        """The row of an item, after the user and the category of a click have been noted there."""
        row = self._row(item_id, timestamp)
        self._users[row] |= user_bit(user_id)
        if category is not None:
            self._category[row] = category
        return row

    def _row(self, item: str, timestamp: int) -> int:
        row = self._rows.get(item)
        if row is None:
            row = self._rows[item] = len(self._items)
            self._items.append(item)
            self._first_seen.append(timestamp)
            self._category.append("")
            self._users.append(0)
            self._bytes += ITEM_BYTES + len(item)
        elif timestamp < self._first_seen[row]:
            self._first_seen[row] = timestamp
        return row

    def _bound_memory(self) -> None:
        """Forget the least popular items, if all of them take too many bytes."""
        if self._most_bytes is None or self._bytes <= self._most_bytes:
            return
        most_bytes = self._most_bytes // 2
        best = np.argsort(-self._shares(), kind="stable")
        sizes = np.array([ITEM_BYTES + len(self._items[row]) for row in best.tolist()])
        kept = np.sort(best[np.cumsum(sizes) <= most_bytes])
        rows = kept.tolist()
        for counts in self._counts:
            counts.keep(kept)
        self._items = [self._items[row] for row in rows]
        self._rows = {item: row for row, item in enumerate(self._items)}
        self._first_seen = [self._first_seen[row] for row in rows]
        self._category = [self._category[row] for row in rows]
        self._users = [self._users[row] for row in rows]
        self._bytes = sum(ITEM_BYTES + len(item) for item in self._items)
