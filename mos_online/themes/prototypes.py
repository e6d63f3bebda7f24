"""Prototypes of themes: spherical k-means over sessions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mos_online.errors import ModelError

Vectors = NDArray[np.float32]


def spherical_kmeans(points: Vectors, count: int, *, seed: int = 0, restarts: int = 4, rounds: int = 50) -> Vectors:
    """Unit centres that maximise the sum of cosines to their nearest points (Dhillon & Modha 2001).

    Args:
        points: unit rows, float32 (n, d).
        count: K, how many centres; ordered by falling number of points.
        seed: of the random starts.
        restarts: k-means++ starts, of which the best is kept.
        rounds: the most iterations of each.

    Returns:
        float32 (K, d).

    Raises:
        ModelError: fewer distinct points than centres.
    """
    if len(np.unique(points[: 50 * count], axis=0)) < count and len(np.unique(points, axis=0)) < count:
        raise ModelError(f"{len(points)} sessions hold fewer than {count} distinct points; ask for fewer themes")
    best_quality, best = -np.inf, points[:count]
    for restart in range(restarts):
        rng = np.random.default_rng([seed, restart])
        centres = _start(points, count, rng)
        quality = -np.inf
        for _ in range(rounds):
            cosines = points @ centres.T
            theme = cosines.argmax(1)
            gained = float(cosines[np.arange(len(points)), theme].mean())
            if gained <= quality + 1e-6:
                break
            quality = gained
            centres = _means(points, theme, centres, cosines)
        if quality > best_quality:
            best_quality, best = quality, centres
    sizes = np.bincount((points @ best.T).argmax(1), minlength=count)
    return np.ascontiguousarray(best[np.argsort(-sizes, kind="stable")])


def _start(points: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """k-means++ with distance 1 - cosine."""
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.maximum(1 - points @ points[chosen[-1]], 0))
        total = distance.sum()
        weights = distance / total if total > 0 else None
        chosen.append(int(rng.choice(len(points), p=weights)))
    start: Vectors = points[chosen].copy()
    return start


def _means(points: Vectors, theme: NDArray[np.int64], centres: Vectors, cosines: Vectors) -> Vectors:
    sums = np.zeros_like(centres)
    np.add.at(sums, theme, points)
    empty = np.flatnonzero(np.bincount(theme, minlength=len(centres)) == 0)
    if len(empty):  # an empty cluster starts again at the points that fit worst
        worst = np.argsort(cosines.max(1))[: len(empty)]
        sums[empty] = points[worst]
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    means: Vectors = np.divide(sums, norms, out=centres.copy(), where=norms > 0)
    return means
