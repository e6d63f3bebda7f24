"""Prototypes of themes: spherical k-means over sessions."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from mos_online.arrays import Floats32
from mos_online.errors import ModelError


def spherical_kmeans(points: Floats32, count: int, *, seed: int = 0, restarts: int = 20, rounds: int = 50) -> Floats32:
    """Unit centres that maximise the mean cosine of the points to their nearest centre (Dhillon & Modha 2001).

    Args:
        points: unit rows, float32 (n, d).
        count: K, how many centres; ordered by falling number of points.
        seed: of the random starts.
        restarts: k-means++ starts, of which the best is kept. Of populations with 20 % noise, 10 starts missed the
            best centres in one of four (NMI 0.83 instead of 0.92), 20 in none.
        rounds: the most iterations of each.

    Returns:
        float32 (K, d).

    Raises:
        ModelError: fewer distinct points than centres.
    """
    if distinct(points, count) < count:
        raise ModelError(f"{len(points)} sessions hold fewer than {count} distinct points; ask for fewer themes")
    best_quality, best = -np.inf, points[:count]
    for restart in range(restarts):
        rng = np.random.default_rng([seed, restart])
        quality, centres = _climb(points, _start(points, count, rng), rounds)
        if quality > best_quality:
            best_quality, best = quality, centres
    sizes = np.bincount((points @ best.T).argmax(1), minlength=count)
    return np.ascontiguousarray(best[np.argsort(-sizes, kind="stable")])


def distinct(points: Floats32, most: int) -> int:
    """How many of the points (n, d) are distinct, or ``most``, if more are."""
    some = len(np.unique(points[: 50 * most], axis=0))
    return min(some if some >= most else len(np.unique(points, axis=0)), most)


def _climb(points: Floats32, centres: Floats32, rounds: int) -> tuple[float, Floats32]:
    """Assign and average until nothing is gained: the mean cosine reached, and its centres."""
    quality, reached = -np.inf, centres
    for _ in range(rounds):
        cosines = points @ centres.T
        gained = float(cosines.max(1).mean(dtype=np.float64))
        if gained <= quality + 1e-6:
            break
        quality, reached = gained, centres
        centres = _means(points, centres, cosines)
    return quality, reached


def _start(points: Floats32, count: int, rng: np.random.Generator) -> Floats32:
    """k-means++ with distance 1 - cosine (Arthur & Vassilvitskii 2007)."""
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.maximum(1 - points @ points[chosen[-1]], 0))
        total = distance.sum()
        weights = distance / total if total > 0 else None
        chosen.append(int(rng.choice(len(points), p=weights)))
    start: Floats32 = points[chosen].copy()
    return start


def _means(points: Floats32, centres: Floats32, cosines: Floats32) -> Floats32:
    """The unit mean of each centre's points; a centre without points starts again at one that fits worst."""
    count = len(centres)
    theme = cosines.argmax(1)
    owner = sp.csr_matrix((np.ones(len(points), np.float32), (theme, np.arange(len(points)))), (count, len(points)))
    sums: Floats32 = owner @ points
    empty = np.flatnonzero(np.bincount(theme, minlength=count) == 0)
    sums[empty] = points[np.argsort(cosines.max(1))[: len(empty)]]
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    means: Floats32 = np.divide(sums, norms, out=centres.copy(), where=norms > 0)
    return means
