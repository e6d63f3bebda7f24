"""What is popular at one moment, as it is stored per partition and added up by whoever ranks with it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import msgspec
import numpy as np

from mos_online.arrays import Floats
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.distinct_users import least_bits

SLOW = 24
"""Slow counts have a half-life this many times as long."""

LISTED_ITEMS = 2000
"""How many items a snapshot lists. The sum of the snapshots of all partitions lists as many."""

FADED = 1e-9
"""An item with a smaller share of the clicks than this is not listed."""

COUNTS = ("counts", "slow_counts", "start_counts", "slow_start_counts")
TOTALS = ("total", "slow_total", "start_total", "slow_start_total")
LISTS = ("item_ids", *COUNTS, "first_seen", "categories", "users")
"""The parallel lists of a snapshot."""


class PopularitySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The most popular items of one partition. Snapshots of all partitions add up, see ``merge``.

    Attributes:
        partition: the partition of the click topic it was counted in, -1 for a sum.
        as_of: newest event time counted (ms); counts and totals are decayed to this moment.
        total, slow_total: decayed counts of all items together, also of those not listed.
        start_total, slow_start_total: the same of the clicks that began a session.
        item_ids, counts, slow_counts, first_seen, categories: parallel lists; ``slow_counts`` decay ``SLOW`` times
            more slowly, ``first_seen`` in ms, category "" where unknown.
        start_counts, slow_start_counts: parallel to them, of the clicks that began a session.
        users: parallel to them, the set of users of each item, as ``items.distinct_users`` has it.
        log_id, counted_to: accepted clicks of the log with this name have been counted up to this position, not
            included; "" and 0 if no log has been counted.
        read_to: records of ``accepted-clicks`` with offsets below this have been read.
    """

    partition: int
    as_of: int
    total: float
    slow_total: float
    start_total: float
    slow_start_total: float
    item_ids: list[str]
    counts: list[float]
    slow_counts: list[float]
    start_counts: list[float]
    slow_start_counts: list[float]
    first_seen: list[int]
    categories: list[str]
    users: list[int]
    log_id: str = ""
    counted_to: int = 0
    read_to: int = 0


def most_popular(share: Floats, first_seen: Sequence[int], items: Sequence[str], top: int) -> list[int]:
    """Rank items by their share of the clicks.

    Args:
        share: float64 (n,), by row.
        first_seen: ms, by row; among equals those first seen come first.
        items: names by row; they decide among what is still equal.
        top: how many rows to return at most.

    Returns:
        Rows of the items that have not faded, the most popular first.
    """
    least = np.partition(share, len(share) - top)[len(share) - top] if len(share) > top else 0.0
    rows = np.flatnonzero((share >= least) & (share > FADED))
    ranked = list(zip((-share[rows]).tolist(), rows.tolist(), strict=True))
    ranked.sort(key=lambda one: (one[0], first_seen[one[1]], items[one[1]]))
    return [row for _, row in ranked[:top]]


def newest(snapshots: Iterable[PopularitySnapshot] | Iterable[CoClickSnapshot]) -> int:
    """The newest event time (ms) that counts of several partitions reach; 0 if there are none."""
    return max((one.as_of for one in snapshots), default=0)


def merge(snapshots: Sequence[PopularitySnapshot], *, half_life_ms: float, top: int) -> PopularitySnapshot:
    """Add up snapshots of several partitions, decayed to the newest of them.

    The result equals, up to rounding, the snapshot of one count of all their clicks as long as each partition lists
    all of its items that have not faded. Otherwise a partition's last items are missing from the sum. An item then
    counts for too little by at most what the last listed item has in each partition that does not list it. An item
    that is spread thinly over many partitions may be missing.

    Args:
        snapshots: at most one of each partition.
        half_life_ms: half-life of the fast counts.
        top: at most so many items are listed, by slow plus fast share; among equals those first seen first.
    """
    as_of = newest(snapshots)
    decays = [0.5 ** ((as_of - s.as_of) / half_life_ms) for s in snapshots]
    slow_decays = [0.5 ** ((as_of - s.as_of) / half_life_ms / SLOW) for s in snapshots]
    total, slow_total, start_total, slow_start_total = (
        sum(getattr(s, name) * decay for s, decay in zip(snapshots, by, strict=True))
        for name, by in zip(TOTALS, (decays, slow_decays, decays, slow_decays), strict=True)
    )
    rows: dict[str, int] = {}
    at = [rows.setdefault(item, len(rows)) for s in snapshots for item in s.item_ids]
    lengths = [len(s.item_ids) for s in snapshots]

    def summed(counts: Iterable[list[float]], by: list[float]) -> Floats:
        """Of each item, float64 (items,)."""
        decayed = np.array([count for one in counts for count in one]) * np.repeat(by, lengths)
        return np.bincount(at, decayed, len(rows)).astype(np.float64)

    fast, slow = summed((s.counts for s in snapshots), decays), summed((s.slow_counts for s in snapshots), slow_decays)
    starts = summed((s.start_counts for s in snapshots), decays)
    slow_starts = summed((s.slow_start_counts for s in snapshots), slow_decays)
    first = np.full(len(rows), np.iinfo(np.int64).max)
    np.minimum.at(first, at, np.array([seen for s in snapshots for seen in s.first_seen], np.int64))
    names, users = [""] * len(rows), [0] * len(rows)
    for row, name in zip(at, (name for s in snapshots for name in s.categories), strict=True):
        names[row] = name or names[row]
    for row, bits in zip(at, (bits for s in snapshots for bits in s.users), strict=True):
        users[row] |= bits
    share = fast / max(total, 1e-300) + slow / max(slow_total, 1e-300)
    items = list(rows)
    first_seen = first.tolist()
    best = most_popular(share, first_seen, items, top)
    return PopularitySnapshot(
        partition=-1,
        as_of=as_of,
        total=total,
        slow_total=slow_total,
        start_total=start_total,
        slow_start_total=slow_start_total,
        item_ids=[items[row] for row in best],
        counts=fast[best].tolist(),
        slow_counts=slow[best].tolist(),
        start_counts=starts[best].tolist(),
        slow_start_counts=slow_starts[best].tolist(),
        first_seen=[first_seen[row] for row in best],
        categories=[names[row] for row in best],
        users=[users[row] for row in best],
    )


def established(snapshot: PopularitySnapshot, known: Container[str], *, users: int) -> PopularitySnapshot:
    """The snapshot without new items that too few users have clicked; its totals stay.

    Args:
        snapshot: of one partition, or a sum.
        known: the items that need no users, because they are in the catalogue of the model.
        users: so many different users make a new item an established one (1 to ``distinct_users.MOST``).
    """
    least = least_bits(users)
    kept = [
        n
        for n, (item, bits) in enumerate(zip(snapshot.item_ids, snapshot.users, strict=True))
        if item in known or bits.bit_count() >= least
    ]
    if len(kept) == len(snapshot.item_ids):
        return snapshot
    return msgspec.structs.replace(snapshot, **{name: [getattr(snapshot, name)[n] for n in kept] for name in LISTS})
