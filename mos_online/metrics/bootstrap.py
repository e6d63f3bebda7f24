"""Is one model better than another? Intervals and p values that know that requests of one user are alike.

Users are drawn with replacement, with all their requests (cluster bootstrap; Davison & Hinkley 1997, section 3.8).
Both models are judged on the same requests, so what they share cancels. Several seeds of training are averaged first,
so an interval over users holds for these seeds only; ``seed_interval`` is the other view.

With R draws the 95 % interval goes from the (R + 1) / 40-th smallest draw (rounded down) to the (R + 1) / 40-th largest
(percentile method, ibid. chapter 5), and p = 2 (1 + draws on the other side of zero) / (R + 1), at most 1, so p <= 0.05
exactly if the interval excludes zero. The smallest p, 2 / (R + 1), bounds how many comparisons can pass ``holm``.

Everywhere ``users`` are (n,), whole numbers or strings; ``draws`` at least ``FEWEST_DRAWS``; equal ``seed`` and number
of users draw equal users. Arrays that do not fit together and values that are not finite raise ``DatasetError``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from mos_online.arrays import Floats
from mos_online.errors import DatasetError
from mos_online.metrics.ranking import Estimate

CELLS = 1_000_000
"""Draws times users that are held at a time: some 30 MB."""

FEWEST_DRAWS = 39
"""Fewer draws do not reach the 2.5 % tails."""


class Comparison(Estimate, frozen=True, kw_only=True):
    """A difference with its 95 % interval and the two-sided p value of no difference.

    No request at all gives nan throughout; one user tells nothing about others: [-inf, inf] and p = 1.
    """

    p: float


def paired_bootstrap(
    values_a: ArrayLike, values_b: ArrayLike, users: ArrayLike, draws: int = 2000, seed: int = 0
) -> Comparison:
    """Mean of a - b over requests, whose interval comes from drawing users.

    A draw's mean is a ratio of sums over the drawn users (differences, requests), so users weigh as much as they ask.

    Args:
        values_a: (n,), or (seeds, n) for several seeds of training: a metric of every request, e.g. ``group_auc``.
        values_b: the other model's, same shape and same requests.

    >>> paired_bootstrap([0.5, 1.0, 1.0], [0.25, 0.75, 0.75], ["u", "u", "v"], draws=999)
    Comparison(mean=0.25, low=0.25, high=0.25, p=0.002)
    """
    differences = _differences(values_a, values_b)
    return interval_of_sums([differences, np.ones_like(differences)], users, _ratios, draws, seed)


def paired_gauc_bootstrap(
    aucs_a: ArrayLike, aucs_b: ArrayLike, weights: ArrayLike, draws: int = 2000, seed: int = 0
) -> Comparison:
    """GAUC of a minus GAUC of b, whose interval comes from drawing users.

    Args:
        aucs_a: (u,), or (seeds, u) for several seeds of training: from ``user_aucs``.
        aucs_b: the other model's, same shape and same users.
        weights: (u,) impressions, above 0; the same for all seeds and both models.

    >>> paired_gauc_bootstrap([1.0, 0.75], [0.5, 0.25], [3, 1], draws=999)
    Comparison(mean=0.5, low=0.5, high=0.5, p=0.002)
    """
    differences = _differences(aucs_a, aucs_b)
    impressions = np.asarray(weights, np.float64)
    if impressions.shape != differences.shape or not (np.isfinite(impressions) & (impressions > 0)).all():
        raise DatasetError(
            f"weights have shape {impressions.shape}: give one positive weight to each of {len(differences)} users"
        )
    everybody = np.arange(len(impressions))
    return interval_of_sums([differences * impressions, impressions], everybody, _ratios, draws, seed)


def slope_interval(
    differences: ArrayLike, covariate: ArrayLike, users: ArrayLike, draws: int = 2000, seed: int = 0
) -> Comparison:
    """Least-squares slope of a gain on a covariate: how much it grows per unit, e.g. with the hop rate.

    Users are drawn, and the slope fitted anew for every draw. A draw whose covariate is constant has no slope; it
    counts as lying in both tails. If the covariate is constant altogether, the mean is nan.

    Args:
        differences: (n,) per request, e.g. ``group_auc`` of one model minus the other's.
        covariate: (n,), e.g. the user's hop rate, or the logarithm of the length of the history.

    >>> slope = slope_interval([0.0, 0.25, 0.5, 1.0], [0.0, 1.0, 2.0, 4.0], ["u", "u", "v", "v"], draws=999)
    >>> slope.mean, slope.p
    (0.25, 0.002)
    """
    gains, points = _finite("differences", differences), _finite("covariate", covariate)
    if gains.ndim != 1 or gains.shape != points.shape:
        raise DatasetError(f"differences have shape {gains.shape}, covariate {points.shape}: give both as (n,)")
    if not len(gains):
        return _compare(math.nan, gains, 0)
    x, y = points - points.mean(), gains - gains.mean()
    return interval_of_sums([np.ones_like(x), x, y, x * x, x * y], users, _slopes, draws, seed)


def interval_of_sums(
    columns: Sequence[ArrayLike],
    users: ArrayLike,
    statistic: Callable[[Floats], Floats],
    draws: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Anything that is a function of sums over requests, compared with zero; its interval comes from drawing users.

    Args:
        columns: k of (n,), what is summed.
        statistic: sums (..., k) -> values (...), nan where there is none.

    >>> ratio = lambda sums: sums[..., 0] / sums[..., 1]
    >>> interval_of_sums([[1.0, 1.0, 2.0], [2.0, 2.0, 4.0]], ["u", "u", "v"], ratio, draws=999).mean
    0.5
    """
    sums = _user_sums(users, *(_finite("values", column) for column in columns))
    if not len(sums):
        return _compare(math.nan, np.empty(0), 0)
    return _compare(float(statistic(sums.sum(axis=0))), statistic(_resampled(sums, draws, seed)), len(sums))


def seed_interval(differences: ArrayLike) -> Estimate:
    """Mean over seeds of training, with Student's 95 % t interval: would other seeds say the same?

    Args:
        differences: (seeds,) of a metric on all requests. One seed gives [-inf, inf], none gives nan.

    >>> e = seed_interval([1.0, 2.0, 3.0])
    >>> e.mean, round(e.high, 4)
    (2.0, 4.4841)
    """
    values = _finite("differences", differences)
    if values.ndim != 1:
        raise DatasetError(f"differences have shape {values.shape}: give one number a seed, as (seeds,)")
    if not len(values):
        return Estimate(mean=math.nan, low=math.nan, high=math.nan)
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean=mean, low=-math.inf, high=math.inf)
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values)))
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p values: those <= 0.05 stand with at most 5 % risk of any false one (step-down; Holm 1979).

    Raises:
        DatasetError: a p value that is not in [0, 1].

    >>> holm({"beauty": 0.25, "sports": 0.0625, "yelp": 0.125})
    {'beauty': 0.25, 'sports': 0.1875, 'yelp': 0.25}
    """
    wrong = {name: p for name, p in p_values.items() if not 0.0 <= p <= 1.0}
    if wrong:
        raise DatasetError(f"p values {wrong} are not in [0, 1]: leave out comparisons without requests")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for before, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - before) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def _resampled(sums: Floats, draws: int, seed: int) -> Floats:
    """Sums (u, k) of every user -> their sums (draws, k) over u users drawn with replacement."""
    if draws < FEWEST_DRAWS:
        raise DatasetError(f"draws is {draws}; a 95 % interval needs at least {FEWEST_DRAWS}")
    rng, users = np.random.default_rng(seed), len(sums)
    totals = np.empty((draws, sums.shape[1]))
    rows = max(1, CELLS // users)
    for start in range(0, draws, rows):
        chunk = totals[start : start + rows]
        drawn = rng.integers(users, size=(len(chunk), users)) + users * np.arange(len(chunk))[:, None]
        weights = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        np.matmul(weights, sums, out=chunk)
    return totals


def _ratios(sums: Floats) -> Floats:
    """Sums (..., 2) -> the first over the second (...)."""
    return np.asarray(sums[..., 0] / sums[..., 1], np.float64)


def _compare(mean: float, resampled: Floats, users: int) -> Comparison:
    if not users:
        return Comparison(mean=math.nan, low=math.nan, high=math.nan, p=math.nan)
    if users == 1:
        return Comparison(mean=mean, low=-math.inf, high=math.inf, p=1.0)
    lows = np.sort(np.where(np.isnan(resampled), -math.inf, resampled))
    highs = np.sort(np.where(np.isnan(resampled), math.inf, resampled))
    draws = len(lows)
    tail = (draws + 1) // 40
    beyond = min(int((lows <= 0).sum()), int((highs >= 0).sum()))
    p = min(1.0, 2 * (1 + beyond) / (draws + 1))
    return Comparison(mean=mean, low=float(lows[tail - 1]), high=float(highs[draws - tail]), p=p)


def _slopes(sums: Floats) -> Floats:
    """Sums (..., 5) of 1, x, y, x * x, x * y -> least-squares slopes (...), nan where x is constant."""
    n, x, y, xx, xy = np.moveaxis(sums, -1, 0)
    spread = xx - x * x / n
    varies = spread > 1e-12 * xx
    return np.asarray(np.where(varies, xy - x * y / n, math.nan) / np.where(varies, spread, 1.0), np.float64)


def _differences(values_a: ArrayLike, values_b: ArrayLike) -> Floats:
    """The mean over seeds of a - b, (n,)."""
    first, other = _finite("values of a", values_a), _finite("values of b", values_b)
    if first.shape != other.shape or first.ndim not in {1, 2} or (first.ndim == 2 and not len(first)):
        raise DatasetError(f"a has shape {first.shape}, b {other.shape}: give both as (n,) or (seeds, n)")
    return np.asarray(np.atleast_2d(first - other).mean(axis=0), np.float64)


def _user_sums(users: ArrayLike, *columns: Floats) -> Floats:
    """Sums (u, k) over each user's rows of k columns (n,)."""
    names, codes = np.unique(users, return_inverse=True)
    for column in columns:
        if codes.shape != column.shape:
            raise DatasetError(f"users have shape {codes.shape}, values {column.shape}: give one user a request")
    return np.stack([np.bincount(codes, column, len(names)).astype(np.float64) for column in columns], axis=1)


def _finite(name: str, values: ArrayLike) -> Floats:
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        raise DatasetError(f"{int((~np.isfinite(numbers)).sum())} of {numbers.size} {name} are nan or infinite")
    return numbers
