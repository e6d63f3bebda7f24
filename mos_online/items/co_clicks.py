"""Counts which items the same users click close together, in event time: item-to-item statistics."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.items.co_click_snapshot import CoClickSnapshot, snapshot_of
from mos_online.items.decay import DecayedCounts

NEIGHBOURS = 50
"""At most so many neighbours are listed of an item, the strongest."""

MOST_PAIRS = 200_000
"""At most so many pairs are listed; twice so many are counted before the weakest are forgotten, in about 80 MB."""

LAST = 10
"""A click goes with at most so many items that its user clicked before."""

STEPS = [1 / step for step in range(1, LAST + 1) for _ in range(2)]
"""What a click adds to its pairs, with the last item first, both directions."""

USERS = 100_000
"""The last clicks of at most so many users are remembered, those who clicked last."""

FADED = 1e-3
"""A pair that weighs less than this part of a new one is not listed."""


class CoClicks:
    """Decayed co-clicks of pairs of items.

    Two different items that a user clicks at most ``window_ms`` apart are clicked together. The s-th last item before
    a click goes with it by 1/s, in both directions, as in the sequential rules of Ludewig & Jannach (2018). An item
    that is still among those that a click goes with adds nothing when it is clicked again: it becomes the last one.

    A click costs O(``LAST``). Equal logs give equal states. What is counted is bounded by ``most_pairs``.

    >>> counts = CoClicks(half_life_ms=1000, window_ms=500)
    >>> for time, item in ((0, "a"), (100, "b"), (200, "c"), (1200, "d")):
    ...     counts.add("u", item, time)
    >>> counts.listed("c")  # a half-life later
    {'b': 0.5, 'a': 0.25}
    """

    def __init__(
        self, *, half_life_ms: float, window_ms: int, partition: int = -1, most_pairs: int = MOST_PAIRS
    ) -> None:
        """Start with no clicks.

        Args:
            half_life_ms: after this much event time a co-click counts half.
            window_ms: the gap of sessions.
            partition: the partition of the click topic that is counted.
            most_pairs: see ``MOST_PAIRS``.
        """
        self.partition = partition
        self.window_ms = window_ms
        self.as_of = 0
        self._newest = 0
        self._half_life_ms = half_life_ms
        self._most_pairs = most_pairs
        self._last: OrderedDict[str, list[tuple[int, str]]] = OrderedDict()
        self._clear()

    def __len__(self) -> int:
        """Pairs that are counted, both directions."""
        return len(self._owner)

    def add(self, user_id: str, item_id: str, timestamp: int) -> None:
        """Count a click at ``timestamp`` (ms) with those of its user that went before."""
        pairs = array("q")
        weights: list[float] = []
        self.count(user_id, item_id, timestamp, pairs, weights)
        self.weigh(pairs, [timestamp] * len(pairs), weights)

    def count(self, user_id: str, item_id: str, timestamp: int, pairs: array[int], weights: list[float]) -> None:
        """Find the pairs of a click, and append them and what they add; ``weigh`` adds many at once."""
        before = self.note(user_id, item_id, timestamp)
        if not before:
            return
        row, found = self._row(item_id), []
        ours = self._of[row]
        for _, other in reversed(before):
            theirs = self._row(other)
            pair, back = ours.get(theirs), self._of[theirs].get(row)  # most pairs are known: no call for these
            found.append(self._pair(row, theirs) if pair is None else pair)
            found.append(self._pair(theirs, row) if back is None else back)
        pairs.extend(found)
        weights += STEPS[: len(found)]

    def note(self, user_id: str, item_id: str, timestamp: int) -> list[tuple[int, str]]:
        """Remember a click without counting it; the clicks that it goes with, none if it is a repeat."""
        since = timestamp - self.window_ms
        before = [click for click in self._last.pop(user_id, ()) if click[0] >= since]
        others = [click for click in before if click[1] != item_id]
        newest = max([timestamp, *(time for time, item in before if item == item_id)])  # it may come late
        self._last[user_id] = [*others, (newest, item_id)][-LAST:]
        self._newest = max(self._newest, timestamp)
        self.as_of = max(self.as_of, timestamp)
        self._forget_users()
        return others if len(others) == len(before) else []

    def weigh(self, pairs: array[int], timestamps: list[int], weights: list[float]) -> None:
        """Add the weights of pairs, as ``count`` has found them, at the times of their clicks."""
        if not timestamps:
            return
        times = np.array(timestamps, np.int64)
        self._counts.add_all(np.frombuffer(pairs, np.int64), times, np.array(weights))
        if len(self._owner) > 2 * self._most_pairs:
            self._keep(self.snapshot())

    def pass_time(self, timestamp: int) -> None:
        """Let event time reach ``timestamp`` (ms), to which co-clicks are decayed then; it never goes back."""
        self.as_of = max(self.as_of, timestamp)

    def resume(self, snapshot: CoClickSnapshot) -> None:
        """Add what an earlier count of this partition had written before it was stopped."""
        self.as_of = max(self.as_of, snapshot.as_of)
        lengths, neighbours, weights = snapshot.columns()
        rows = np.array([self._row(item) for item in snapshot.item_ids], np.int64)
        owners, others = np.repeat(rows, lengths).tolist(), rows[neighbours].tolist()
        pairs = np.fromiter(map(self._pair, owners, others), np.int64, len(owners))
        self._counts.add_all(pairs, np.full(len(pairs), snapshot.as_of), weights.astype(np.float64))

    def change_half_life(self, half_life_ms: float) -> None:
        """Go on with another half-life from the pairs that are listed now."""
        listed, self._half_life_ms = self.snapshot(), half_life_ms
        self._keep(listed)

    def snapshot(self, items: Collection[str] | None = None) -> CoClickSnapshot:
        """The strongest co-clicks: of each item ``NEIGHBOURS``, and of all of them ``most_pairs``.

        Args:
            items: only those of these items, which costs little; None: of all.
        """
        return self.frozen(items)()

    def frozen(self, items: Collection[str] | None = None) -> Callable[[], CoClickSnapshot]:
        """What makes a snapshot of this moment; it takes long, and another thread may call it while clicks go on."""
        if items is None:
            pairs = np.arange(len(self._owner))
        else:
            rows = [row for item in items if (row := self._rows.get(item)) is not None]
            pairs = np.array([pair for row in rows for pair in self._of[row].values()], np.int64)
        unit = self._counts.unit(self.as_of)  # first: after a long silence it rescales what is there
        weights = self._counts.first(len(self._owner))[pairs] / unit
        kept = weights > FADED
        pairs, weights = pairs[kept], weights[kept]
        owner, other = (np.frombuffer(column, np.int64)[pairs] for column in (self._owner, self._other))
        return partial(self._packed, owner, other, weights, self._items, self.as_of)

    def listed(self, item_id: str) -> dict[str, float]:
        """The neighbours of an item -> their decayed co-clicks, strongest first."""
        snapshot = self.snapshot([item_id])
        _, neighbours, weights = snapshot.columns()
        return {snapshot.item_ids[at]: weight for at, weight in zip(neighbours.tolist(), weights.tolist(), strict=True)}

    def _packed(self, owner: Ints, other: Ints, weights: Floats, items: Sequence[str], as_of: int) -> CoClickSnapshot:
        used, places = np.unique(np.concatenate([owner, other]), return_inverse=True)
        names = [items[row] for row in used.tolist()]
        by_name = sorted(range(len(names)), key=names.__getitem__)  # whatever the rows are, equals come in one order
        rank = np.empty(len(names), np.int64)
        rank[by_name] = np.arange(len(names))
        owner, other = np.split(rank[places], 2)
        order = np.lexsort((other, -weights, owner))
        owner, other, weights = owner[order], other[order], weights[order]
        kept = np.arange(len(owner)) - np.searchsorted(owner, owner) < NEIGHBOURS
        if kept.sum() > self._most_pairs:
            strongest = np.argsort(-np.where(kept, weights, 0), kind="stable")[: self._most_pairs]
            kept = np.zeros(len(owner), bool)
            kept[strongest] = True
        return snapshot_of(
            partition=self.partition,
            as_of=as_of,
            item_ids=[names[at] for at in by_name],
            lengths=np.bincount(owner[kept], minlength=len(names)),
            neighbours=other[kept],
            weights=weights[kept].astype(np.float32),
        )

    def _forget_users(self) -> None:
        """Forget users whose last clicks are too old for any that may come, also for late ones."""
        last, old = self._last, self._newest - 2 * self.window_ms
        while last and (len(last) > USERS or next(iter(last.values()))[-1][0] < old):
            last.popitem(last=False)

    def _keep(self, listed: CoClickSnapshot) -> None:
        """Forget all pairs but these."""
        self._clear()
        self.resume(listed)

    def _clear(self) -> None:
        self._rows: dict[str, int] = {}
        self._items: list[str] = []
        self._of: list[dict[int, int]] = []
        self._owner, self._other = array("q"), array("q")
        self._counts = DecayedCounts(self._half_life_ms)

    def _row(self, item: str) -> int:
        row = self._rows.get(item)
        if row is None:
            row = self._rows[item] = len(self._items)
            self._items.append(item)
            self._of.append({})
        return row

    def _pair(self, owner: int, other: int) -> int:
        of = self._of[owner]
        pair = of.get(other)
        if pair is None:
            pair = of[other] = len(self._owner)
            self._owner.append(owner)
            self._other.append(other)
        return pair
