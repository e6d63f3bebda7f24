"""Which items are alive right now: decayed click counts in event time, kept per partition of the click topic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from mos_online.contracts import SESSION_END, Click

SLOW = 24
"""Slow counts have a half-life this many times as long."""

ACTIVE_LISTED = 2000
"""Items that a snapshot lists: in training, of each partition, and of all partitions together in service."""

WARM_UP_CLICKS = 300_000
"""So many clicks before a moment are counted to know what is popular then; older ones hardly weigh anything."""

FADED = 1e-9
"""An item with a smaller share of the clicks than this is not listed."""


class PopularitySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The most active items of one partition; snapshots of all partitions add up.

    Attributes:
        partition: the partition of the click topic it was counted in, -1 for a sum.
        as_of: newest event time counted (ms); counts and totals are decayed to this moment.
        total, slow_total: over all items, also those not listed.
        item_ids, counts, slow_counts, first_seen, categories: parallel lists; ``slow_counts`` decay ``SLOW`` times
            more slowly, ``first_seen`` in ms, category "" where unknown.
    """

    partition: int
    as_of: int
    total: float
    slow_total: float
    item_ids: list[str]
    counts: list[float]
    slow_counts: list[float]
    first_seen: list[int]
    categories: list[str]


class DecayClock:
    """Growing weights instead of decaying counts: equal up to a factor, and nothing has to be decayed.

    Args:
        half_life_ms: after this much event time a click weighs half as much as a new one.
        rescale: gets the factor by which all weights handed out so far must shrink, long before a double overflows.
    """

    def __init__(self, half_life_ms: float, rescale: Callable[[float], None]) -> None:
        self._rate = math.log(2) / half_life_ms
        self._rescale = rescale
        self._origin: int | None = None

    def weight(self, timestamp: int) -> float:
        """Weight of a click at ``timestamp`` (ms), comparable with all others handed out."""
        if self._origin is None:
            self._origin = timestamp
        exponent = (timestamp - self._origin) * self._rate
        if exponent > 200:
            self._rescale(math.exp(-exponent))
            self._origin, exponent = timestamp, 0.0
        return math.exp(max(exponent, -200.0))


class _Counts:
    """Decayed counts by row, and their total; a row that has faded away is zero."""

    def __init__(self, half_life_ms: float) -> None:
        self._clock = DecayClock(half_life_ms, self._rescale)
        self.weights = np.zeros(1024)
        self.total = 0.0

    def add(self, row: int, timestamp: int, count: float = 1.0) -> None:
        if row >= len(self.weights):
            self.weights = np.concatenate([self.weights, np.zeros_like(self.weights)])
        weight = count * self._clock.weight(timestamp)
        self.weights[row] += weight
        self.total += weight

    def unit(self, timestamp: int) -> float:
        return self._clock.weight(timestamp)

    def _rescale(self, factor: float) -> None:
        self.weights *= factor
        self.total *= factor


class ItemPopularity:
    """Exponentially decayed click counts, fast and slow. O(1) per click; order does not matter.

    >>> a = ItemPopularity(half_life_ms=1000, partition=0)
    >>> for t, item in ((0, "x"), (1000, "y"), (1000, "x")):
    ...     a.observe(Click(event_id=f"{t}{item}", user_id="u", item_id=item, timestamp=t))
    >>> s = a.snapshot(top=10); s.item_ids, s.counts, s.total
    (['x', 'y'], [1.5, 1.0], 2.5)
    """

    def __init__(self, *, half_life_ms: float, partition: int) -> None:
        self.partition = partition
        self._fast = _Counts(half_life_ms)
        self._slow = _Counts(half_life_ms * SLOW)
        self._as_of = 0
        self._rows: dict[str, int] = {}
        self._items: list[str] = []
        self._first_seen: list[int] = []
        self._category: list[str] = []

    def observe(self, click: Click) -> None:
        """Count one click."""
        if click.event_type == SESSION_END:
            return
        timestamp = click.timestamp
        self._as_of = max(self._as_of, timestamp)
        row = self._row(click.item_id, timestamp)
        self._fast.add(row, timestamp)
        self._slow.add(row, timestamp)
        if click.context and isinstance(category := click.context.get("category"), str):
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
        """The ``top`` most active items by slow plus fast share of the clicks; among equals those first seen first."""
        count = len(self._items)
        unit, slow_unit = self._fast.unit(self._as_of), self._slow.unit(self._as_of)
        total, slow_total = max(self._fast.total, 1e-300), max(self._slow.total, 1e-300)
        fast, slow = _padded(self._fast.weights, count), _padded(self._slow.weights, count)
        share = slow / slow_total + fast / total
        rows = _most_active(share, self._first_seen, self._items, top)
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


def _padded(weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first ``count`` weights; rows beyond the array have never been counted."""
    return weights[:count] if len(weights) >= count else np.pad(weights, (0, count - len(weights)))


def _most_active(share: NDArray[np.float64], first_seen: Sequence[int], items: Sequence[str], top: int) -> list[int]:
    """The ``top`` rows of largest share that have not faded; among equals those first seen first, then by name."""
    least = np.partition(share, len(share) - top)[len(share) - top] if len(share) > top else 0.0
    rows = np.flatnonzero((share >= least) & (share > FADED))
    ranked = list(zip((-share[rows]).tolist(), rows.tolist(), strict=True))
    ranked.sort(key=lambda one: (one[0], first_seen[one[1]], items[one[1]]))
    return [row for _, row in ranked[:top]]


def merge(snapshots: Sequence[PopularitySnapshot], *, half_life_ms: float, top: int) -> PopularitySnapshot:
    """Add up snapshots of several partitions, decayed to the newest of them.

    Equal, up to rounding, to the snapshot of one count of all their clicks as long as each partition lists all of its
    items that have not faded. Beyond that a partition's last items are missing from the sum: an item counts for too
    little by at most what the last listed item of each partition that does not list it has there, and one that is
    spread thinly over many partitions may be missing.

    Args:
        snapshots: at most one of each partition.
        half_life_ms: of the fast counts.
        top: at most so many items are listed, by slow plus fast share; among equals those first seen first.
    """
    as_of = max((s.as_of for s in snapshots), default=0)
    decays = [0.5 ** ((as_of - s.as_of) / half_life_ms) for s in snapshots]
    slow_decays = [0.5 ** ((as_of - s.as_of) / half_life_ms / SLOW) for s in snapshots]
    total = sum(s.total * decay for s, decay in zip(snapshots, decays, strict=True))
    slow_total = sum(s.slow_total * decay for s, decay in zip(snapshots, slow_decays, strict=True))
    rows: dict[str, int] = {}
    at = [rows.setdefault(item, len(rows)) for s in snapshots for item in s.item_ids]
    lengths = [len(s.item_ids) for s in snapshots]
    counts = np.array([count for s in snapshots for count in s.counts]) * np.repeat(decays, lengths)
    slow_counts = np.array([count for s in snapshots for count in s.slow_counts]) * np.repeat(slow_decays, lengths)
    fast, slow = np.bincount(at, counts, len(rows)), np.bincount(at, slow_counts, len(rows))
    first = np.full(len(rows), np.iinfo(np.int64).max)
    np.minimum.at(first, at, np.array([seen for s in snapshots for seen in s.first_seen], np.int64))
    names = [""] * len(rows)
    for row, name in zip(at, (name for s in snapshots for name in s.categories), strict=True):
        names[row] = name or names[row]
    share = fast / max(total, 1e-300) + slow / max(slow_total, 1e-300)
    items = list(rows)
    first_seen = first.tolist()
    best = _most_active(share, first_seen, items, top)
    return PopularitySnapshot(
        partition=-1,
        as_of=as_of,
        total=total,
        slow_total=slow_total,
        item_ids=[items[row] for row in best],
        counts=fast[best].tolist(),
        slow_counts=slow[best].tolist(),
        first_seen=[first_seen[row] for row in best],
        categories=[names[row] for row in best],
    )
