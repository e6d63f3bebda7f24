"""Negatives drawn once by popularity and shared by all models."""

from __future__ import annotations

import numpy as np

from mos_online.arrays import Ints


def popular_negatives(pool: Ints, targets: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Draw items in proportion to their clicks in the pool: distinct per row and never the target.

    Args:
        pool: int64 (p,), the items of past clicks.
        targets: int64 (B,).
        count: m, per row.
        rng: random numbers.

    Returns:
        int64 (B, m); rows for which the pool has too few other items hold -1 for those missing.
    """
    rows = np.full((len(targets), count), -1, np.int64)
    if not len(pool):
        return rows
    drawn = pool[rng.integers(0, len(pool), (len(targets), 6 * count + 12))]
    for row, target in enumerate(targets):
        distinct = dict.fromkeys(drawn[row].tolist())
        distinct.pop(int(target), None)
        distinct.pop(0, None)
        kept = list(distinct)[:count]
        rows[row, : len(kept)] = kept
    return rows


def themed_negatives(pool: Ints, theme: Ints, targets: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Draw as ``popular_negatives`` does, but each from the theme of its target.

    Args:
        pool: int64 (p,), the items of past clicks.
        theme: int64 (items + 1,), the theme of each item row, 0 unrouted.
        targets: int64 (B,).
        count: m, per row.
        rng: random numbers.

    Returns:
        int64 (B, m); -1 where the target is unrouted, or its theme has too few other items in the pool.
    """
    rows = np.full((len(targets), count), -1, np.int64)
    of_pool, of_target = theme[pool], theme[targets]
    for number in np.unique(of_target[of_target > 0]):
        at = np.flatnonzero(of_target == number)
        rows[at] = popular_negatives(pool[of_pool == number], targets[at], count, rng)
    return rows
