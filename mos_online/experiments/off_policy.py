"""What another ranking would be worth, from answers that explored: before anybody sees it.

The position-based estimator of Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay & Wen, "Offline Evaluation of Ranking
Policies with Click Models" (KDD 2018). A click needs that the place is examined and that the item attracts. With the
probability theta(p) of the first, a shown item x has the weight

    w(x) = sum over p of theta(p) P(new ranking puts x at p) / sum over p of theta(p) P(shown ranking puts x at p)

and the mean of w(x) over the clicks estimates the clicks per answer of the new ranking. What it rests on: examination
depends on the place alone; the candidates of the new ranking are those that were logged; the new ranking does not
learn.
"""

from __future__ import annotations

from math import isfinite, nan, sqrt
from typing import NamedTuple

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.errors import DatasetError

FEWEST_ANSWERS = 1_000
LEAST_EFFECTIVE = 0.01
MOST_UNSUPPORTED = 0.015
"""Of the places. Clicks there are not counted, so the estimate is too low by about this share; the intervals of 20,000
answers are 2 % wide to each side. A model that served the log itself has less: 1.0 % of a simulated log of eight hours,
in whose beginning a few clicks change what is popular at the start of sessions and inside them."""
LARGEST_WEIGHT = 100.0
BAND = 0.2


class Logged(NamedTuple):
    """Answers that explored, all with lists of k of n candidates. A candidate is named by its rank in the shown policy.

    Attributes:
        shown: (answers, k) rank of the candidate at each place; below k if the place was not explored.
        clicked: (answers, k) 1.0 where it was clicked.
        users: (answers,) whose answer it was.
        candidates: n, more than k.
        epsilon: probability that an answer has an explored place.
    """

    shown: Ints
    clicked: Floats
    users: Ints
    candidates: int
    epsilon: float


class Value(NamedTuple):
    """Clicks per answer of a ranking.

    Attributes:
        mean: the estimate.
        low: lower bound of the 95 % interval (users drawn independently, normal; the curve is taken as known).
        high: its upper bound.
        band: lowest and highest estimate with the examination curve steeper or flatter by ``BAND``.
        effective: effective sample size as a share of the shown items.
        unsupported: share of the new list's places whose item could not have been shown.
        largest: the largest weight before it was cut at ``LARGEST_WEIGHT``.
        refused: why the estimate must not be used; None if it may.
    """

    mean: float
    low: float
    high: float
    band: tuple[float, float]
    effective: float
    unsupported: float
    largest: float
    refused: str | None


def value_of(logged: Logged, ranking: Ints, theta: Floats) -> Value:
    """What another ranking of the same candidates would be worth.

    Args:
        logged: what was shown.
        ranking: (answers, k) the other ranking's list: rank of each candidate in the shown policy; -1 where its item
            was no candidate.
        theta: (k,) examination of the places, above 0.

    Raises:
        DatasetError: arrays that do not fit together, theta that is not above 0, or nothing was explored.
    """
    k = logged.shown.shape[1]
    if ranking.shape != logged.shown.shape or theta.shape != (k,):
        raise DatasetError(f"ranking {ranking.shape}, theta {theta.shape} do not fit answers of {logged.shown.shape}")
    if not 0 < logged.epsilon < 1:
        raise DatasetError("nothing was explored: set `exploration` of the arm above 0, and below 1")
    if not (np.isfinite(theta) & (theta > 0)).all():
        raise DatasetError("theta must be above 0 at every place: log more explored answers")
    weights = _weights(logged, ranking, theta)
    cut = np.minimum(weights, LARGEST_WEIGHT)
    mean, error = _clustered((cut * logged.clicked).sum(1), logged.users)
    tilted = [_band_mean(logged, ranking, theta**power) for power in (1 - BAND, 1 + BAND)]
    total, squares = float(cut.sum()), float((cut**2).sum())
    effective = total * total / squares / cut.size if squares else 0.0
    unsupported = float((ranking < 0).mean())
    return Value(
        mean,
        mean - 1.96 * error,
        mean + 1.96 * error,
        (min(tilted), max(tilted)),
        effective,
        unsupported,
        float(weights.max(initial=0.0)),
        _refusal(logged, effective, unsupported, error),
    )


def _weights(logged: Logged, ranking: Ints, theta: Floats) -> Floats:
    """(answers, k) weight of each shown item."""
    answers, k = logged.shown.shape
    ahead = np.zeros((answers, logged.candidates + 1))  # the last column takes what was no candidate
    np.put_along_axis(ahead, ranking, np.broadcast_to(theta, ranking.shape), 1)
    ahead[:, -1] = 0.0
    others = logged.candidates - k
    behind = np.full(logged.candidates, logged.epsilon / (k * others) * theta.sum())
    behind[:k] = theta * (1 - logged.epsilon / k)
    weights: Floats = np.take_along_axis(ahead, logged.shown, 1) / behind[logged.shown]
    return weights


def _band_mean(logged: Logged, ranking: Ints, theta: Floats) -> float:
    cut = np.minimum(_weights(logged, ranking, theta), LARGEST_WEIGHT)
    return float((cut * logged.clicked).sum(1).mean()) if len(cut) else nan


def _clustered(values: Floats, users: Ints) -> tuple[float, float]:
    """Mean over answers, and its standard error if the answers of a user are alike."""
    if not len(values):
        return nan, nan
    mean = float(values.mean())
    _, number = np.unique(users, return_inverse=True)
    sums = np.bincount(number, values - mean)
    many = len(sums)
    return mean, sqrt(float((sums**2).sum()) * many / max(1, many - 1)) / len(values)


def _refusal(logged: Logged, effective: float, unsupported: float, error: float) -> str | None:
    answers = len(logged.shown)
    if answers < FEWEST_ANSWERS:
        return f"{answers:,} answers explored or could have: at least {FEWEST_ANSWERS:,} are needed"
    if unsupported > MOST_UNSUPPORTED:
        return f"{unsupported:.1%} of its places have items that were no candidates: log more candidates"
    if effective < LEAST_EFFECTIVE:
        return f"only {effective:.2%} of what was shown says something of it: explore more, or compare nearer rankings"
    if not isfinite(error):
        return "one user tells nothing about others"
    return None
