"""Which items are alive right now: decayed click counts in event time, kept per partition of the click topic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from mos_online.contracts import SESSION_END, Click

SLOW = 24
"""Slow counts have a half-life this many times as long."""


class ActivitySnapshot(msgspec.Struct, frozen=True, kw_only=True):
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
    """Decayed counts per item and their total."""

    def __init__(self, half_life_ms: float) -> None:
        self._clock = DecayClock(half_life_ms, self._rescale)
        self.weights: dict[str, float] = {}
        self.total = 0.0

    def add(self, item: str, timestamp: int) -> None:
        weight = self._clock.weight(timestamp)
        self.weights[item] = self.weights.get(item, 0.0) + weight
        self.total += weight

    def unit(self, timestamp: int) -> float:
        return self._clock.weight(timestamp)

    def _rescale(self, factor: float) -> None:
        shrunk = {item: weight * factor for item, weight in self.weights.items()}
        self.weights = {item: weight for item, weight in shrunk.items() if weight > 1e-9}
        self.total *= factor


class ItemActivity:
    """Exponentially decayed click counts, fast and slow. O(1) per click; order does not matter.

    >>> a = ItemActivity(half_life_ms=1000, partition=0)
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
        self._first_seen: dict[str, int] = {}
        self._category: dict[str, str] = {}

    def observe(self, click: Click) -> None:
        """Count one click."""
        if click.event_type == SESSION_END:
            return
        item, timestamp = click.item_id, click.timestamp
        self._as_of = max(self._as_of, timestamp)
        self._fast.add(item, timestamp)
        self._slow.add(item, timestamp)
        seen = self._first_seen.get(item)
        if seen is None or timestamp < seen:
            self._first_seen[item] = timestamp
        if click.context and isinstance(category := click.context.get("category"), str):
            self._category[item] = category

    def snapshot(self, *, top: int) -> ActivitySnapshot:
        """The ``top`` most active items by slow plus fast share of the clicks, most active first (ties by id)."""
        unit, slow_unit = self._fast.unit(self._as_of), self._slow.unit(self._as_of)
        fast, slow = self._fast.weights, self._slow.weights
        total, slow_total = max(self._fast.total, 1e-300), max(self._slow.total, 1e-300)
        share = {item: weight / slow_total + fast.get(item, 0.0) / total for item, weight in slow.items()}
        best = sorted(share, key=lambda item: (-share[item], item))[:top]
        return ActivitySnapshot(
            partition=self.partition,
            as_of=self._as_of,
            total=self._fast.total / unit,
            slow_total=self._slow.total / slow_unit,
            item_ids=best,
            counts=[fast.get(item, 0.0) / unit for item in best],
            slow_counts=[slow[item] / slow_unit for item in best],
            first_seen=[self._first_seen[item] for item in best],
            categories=[self._category.get(item, "") for item in best],
        )


def merge(snapshots: Sequence[ActivitySnapshot], *, half_life_ms: float) -> ActivitySnapshot:
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
    order = sorted(slow, key=lambda item: (-fast[item] / max(total, 1e-300) - slow[item] / max(slow_total, 1e-300), item))
    return ActivitySnapshot(
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
