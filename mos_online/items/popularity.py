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
        """The ``top`` most active items by slow plus fast share of the clicks, ties by first seen."""
        count = len(self._items)
        unit, slow_unit = self._fast.unit(self._as_of), self._slow.unit(self._as_of)
        total, slow_total = max(self._fast.total, 1e-300), max(self._slow.total, 1e-300)
        fast, slow = _padded(self._fast.weights, count), _padded(self._slow.weights, count)
        share = slow / slow_total + fast / total
        best = np.argsort(-share, kind="stable")[:top]
        best = best[share[best] > FADED]
        rows = best.tolist()
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


def merge(snapshots: Sequence[PopularitySnapshot], *, half_life_ms: float) -> PopularitySnapshot:
    """Add up snapshots of several partitions, decayed to the newest of them; most active first."""
    as_of = max((s.as_of for s in snapshots), default=0)
    fast: dict[str, float] = {}
    slow: dict[str, float] = {}
    first: dict[str, int] = {}
    category: dict[str, str] = {}
    total = slow_total = 0.0
    for s in snapshots:
        behind = (as_of - s.as_of) / half_life_ms
        decay, slow_decay = 0.5**behind, 0.5 ** (behind / SLOW)
        total += s.total * decay
        slow_total += s.slow_total * slow_decay
        rows = zip(s.item_ids, s.counts, s.slow_counts, s.first_seen, s.categories, strict=True)
        for item, count, slow_count, seen, name in rows:
            fast[item] = fast.get(item, 0.0) + count * decay
            slow[item] = slow.get(item, 0.0) + slow_count * slow_decay
            first[item] = min(first.get(item, seen), seen)
            if name:
                category[item] = name
    order = sorted(
        slow, key=lambda item: (-fast[item] / max(total, 1e-300) - slow[item] / max(slow_total, 1e-300), item)
    )
    return PopularitySnapshot(
        partition=-1,
        as_of=as_of,
        total=total,
        slow_total=slow_total,
        item_ids=order,
        counts=[fast[item] for item in order],
        slow_counts=[slow[item] for item in order],
        first_seen=[first[item] for item in order],
        categories=[category.get(item, "") for item in order],
    )
