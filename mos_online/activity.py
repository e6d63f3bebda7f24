"""Which items are alive right now: decayed click counts in event time, kept per partition of the click topic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from mos_online.contracts import SESSION_END, Click


class ActivitySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The most active items of one partition; snapshots of all partitions add up.

    Attributes:
        partition: the partition of the click topic it was counted in.
        as_of: newest event time counted (ms); ``counts`` are decayed to this moment.
        item_ids, counts, first_seen, categories: parallel lists; ``first_seen`` in ms, category "" where unknown.
    """

    partition: int
    as_of: int
    item_ids: list[str]
    counts: list[float]
    first_seen: list[int]
    categories: list[str]


class ItemActivity:
    """Exponentially decayed click counts: a click weighs 1/2 after ``half_life_ms`` of event time.

    Counts are kept scaled to the time ``origin`` so that decay costs nothing per click.

    >>> a = ItemActivity(half_life_ms=1000, partition=0)
    >>> for t, item in ((0, "x"), (1000, "y"), (1000, "x")):
    ...     a.observe(Click(event_id=f"{t}{item}", user_id="u", item_id=item, timestamp=t))
    >>> s = a.snapshot(top=10); s.item_ids, s.counts
    (['x', 'y'], [1.5, 1.0])
    """

    def __init__(self, *, half_life_ms: float, partition: int) -> None:
        self.partition = partition
        self._rate = math.log(2) / half_life_ms
        self._origin: int | None = None
        self._as_of = 0
        self._scaled: dict[str, float] = {}
        self._first_seen: dict[str, int] = {}
        self._category: dict[str, str] = {}

    def observe(self, click: Click) -> None:
        """Count one click; order does not matter. O(1)."""
        if click.event_type == SESSION_END:
            return
        if self._origin is None:
            self._origin = click.timestamp
        exponent = (click.timestamp - self._origin) * self._rate
        if exponent > 500:  # e**709 overflows a double
            self._rescale(click.timestamp)
            exponent = 0.0
        item = click.item_id
        self._scaled[item] = self._scaled.get(item, 0.0) + math.exp(max(exponent, -500.0))
        self._as_of = max(self._as_of, click.timestamp)
        seen = self._first_seen.get(item)
        if seen is None or click.timestamp < seen:
            self._first_seen[item] = click.timestamp
        if click.context and isinstance(category := click.context.get("category"), str):
            self._category[item] = category

    def snapshot(self, *, top: int) -> ActivitySnapshot:
        """The ``top`` most active items, most active first (ties by id); forgets items that have faded away."""
        scale = math.exp(-(self._as_of - (self._origin or 0)) * self._rate)
        self._forget(1e-3 / max(scale, 1e-300))
        best = sorted(self._scaled.items(), key=lambda pair: (-pair[1], pair[0]))[:top]
        return ActivitySnapshot(
            partition=self.partition,
            as_of=self._as_of,
            item_ids=[item for item, _ in best],
            counts=[value * scale for _, value in best],
            first_seen=[self._first_seen[item] for item, _ in best],
            categories=[self._category.get(item, "") for item, _ in best],
        )

    def _rescale(self, origin: int) -> None:
        factor = math.exp(-(origin - (self._origin or 0)) * self._rate)
        self._scaled = {item: value * factor for item, value in self._scaled.items() if value * factor > 1e-6}
        self._origin = origin

    def _forget(self, below: float) -> None:
        for item in [item for item, value in self._scaled.items() if value < below]:
            del self._scaled[item]  # when it was first seen, and its category, stay true


def merge(snapshots: Sequence[ActivitySnapshot], *, half_life_ms: float) -> ActivitySnapshot:
    """Add up snapshots of several partitions, decayed to the newest of them."""
    as_of = max((s.as_of for s in snapshots), default=0)
    counts: dict[str, float] = {}
    first: dict[str, int] = {}
    category: dict[str, str] = {}
    for s in snapshots:
        decay = 0.5 ** ((as_of - s.as_of) / half_life_ms)
        for item, count, seen, cat in zip(s.item_ids, s.counts, s.first_seen, s.categories, strict=True):
            counts[item] = counts.get(item, 0.0) + count * decay
            first[item] = min(first.get(item, seen), seen)
            if cat:
                category[item] = cat
    order = sorted(counts, key=lambda item: (-counts[item], item))
    return ActivitySnapshot(
        partition=-1,
        as_of=as_of,
        item_ids=order,
        counts=[counts[item] for item in order],
        first_seen=[first[item] for item in order],
        categories=[category.get(item, "") for item in order],
    )
