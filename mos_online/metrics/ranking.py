"""Ranking metrics with one relevant item, and means with honest intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from mos_online.arrays import Floats

Z95 = 1.959963984540054


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def hit_rate(ranking: Sequence[str], item: str) -> float:
    """1 if ``item`` is in the ranking, else 0: hit-rate@k of a ranking of k items.

    >>> hit_rate(["a", "b"], "b"), hit_rate(["a", "b"], "c")
    (1.0, 0.0)
    """
    return float(item in ranking)


def ndcg(ranking: Sequence[str], item: str) -> float:
    """1 / log2(rank + 1), 0 if absent: NDCG@k with one relevant item (the ideal ranking's DCG is 1).

    >>> ndcg(["a", "b", "c"], "a"), round(ndcg(["a", "b", "c"], "c"), 3), ndcg(["a"], "z")
    (1.0, 0.5, 0.0)
    """
    try:
        return 1.0 / math.log2(ranking.index(item) + 2)
    except ValueError:
        return 0.0


def reciprocal_rank(ranking: Sequence[str], item: str) -> float:
    """1 / rank, 0 if absent; its mean is the MRR@k of rankings of k items.

    >>> reciprocal_rank(["a", "b"], "b"), reciprocal_rank(["a", "b"], "z")
    (0.5, 0.0)
    """
    return 1.0 / (ranking.index(item) + 1) if item in ranking else 0.0


def clustered_mean(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Mean of ``values`` with a 95 % interval that knows that requests of one user are alike.

    The mean is a ratio of two sums over users (values, requests); its variance is that of the linearised ratio (delta
    method; Deng et al. 2018), with the finite-sample factor n/(n-1) over users. One user gives no interval: it is
    then [-inf, inf].

    >>> e = clustered_mean([1.0, 0.0, 1.0, 0.0], ["u", "u", "v", "w"])
    >>> e.mean, round(e.high - e.mean, 4)
    (0.5, 0.4243)
    """
    array: Floats = np.asarray(values, np.float64)
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    users = int(index.max()) + 1 if len(index) else 0
    if users == 0:
        return Estimate(mean=math.nan, low=math.nan, high=math.nan)
    mean = float(array.mean())
    if users == 1:
        return Estimate(mean=mean, low=-math.inf, high=math.inf)
    residuals = np.bincount(index, weights=array - mean, minlength=users)
    half = Z95 * math.sqrt(float((residuals**2).sum()) * users / (users - 1)) / len(array)
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def paired_difference(first: Sequence[float], other: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Mean of ``first - other`` over the same requests: what they have in common cancels out of the interval.

    >>> paired_difference([1.0, 0.5], [0.5, 0.0], ["u", "v"])
    Estimate(mean=0.5, low=0.5, high=0.5)
    """
    return clustered_mean([a - b for a, b in zip(first, other, strict=True)], clusters)
