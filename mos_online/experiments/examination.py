"""How far down a list users look, from places whose item was drawn at random.

An explored place is drawn evenly and so is its item. So the clicks on explored places fall off as the examination does.
They are few, so one number is fitted: place p, counted from 1, is examined p^-s times as often as the first.
"""

from __future__ import annotations

from math import hypot, inf, sqrt
from typing import NamedTuple

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.errors import DatasetError
from mos_online.experiments.off_policy import Logged, Value, value_of

FEWEST_CLICKS = 50
"""Clicks on explored places; with fewer nothing is said."""

STEEPEST = 5.0

Z = 1.96
"""Standard errors of a 95 % interval."""


class Examination(NamedTuple):
    """The curve.

    Attributes:
        steepness: s; 0 if all places are examined alike.
        error: its standard error.
        clicks: on explored places, from which it is known.
    """

    steepness: float
    error: float
    clicks: int

    def theta(self, places: int, *, errors: float = 0.0) -> Floats:
        """Examination of each place relative to the first, (places,); so many standard errors steeper."""
        depth = np.log(np.arange(1, places + 1, dtype=np.float64))
        curve: Floats = np.exp(-(self.steepness + errors * self.error) * depth)
        return curve


def examination(logged: Logged) -> Examination:
    """Fit the curve by maximum likelihood, with Poisson clicks.

    The likelihood of clicks c on places that were explored n times is, but for a constant, the sum of c ln(n p^-s) less
    the number of all clicks times ln(sum of n p^-s). It is concave, and its derivative is bisected.

    Raises:
        DatasetError: there are too few clicks on explored places.
    """
    explored = logged.shown >= logged.shown.shape[1]
    times, clicks = explored.sum(0).astype(float), (logged.clicked * explored).sum(0)
    total = float(clicks.sum())
    if total < FEWEST_CLICKS:
        raise DatasetError(
            f"{total:.0f} clicks on explored places: at least {FEWEST_CLICKS} are needed to know how far down users "
            "look; explore more, or wait"
        )
    depth = np.log(np.arange(1, len(times) + 1))
    seen = float(clicks @ depth) / total
    low, high = 0.0, STEEPEST
    for _ in range(50):
        middle = (low + high) / 2
        if _mean_depth(times, depth, middle)[0] > seen:
            low = middle
        else:
            high = middle
    spread = _mean_depth(times, depth, low)[1]
    return Examination(low, 1 / sqrt(total * spread) if spread > 0 else inf, int(total))


def estimated(logged: Logged, ranking: Ints, examined: Examination) -> Value:
    """What another ranking would be worth; the interval knows that the curve was estimated, too.

    Args:
        logged, ranking: as ``value_of``.
        examined: from ``examination``.

    Raises:
        DatasetError: as ``value_of``.
    """
    places = logged.shown.shape[1]
    value = value_of(logged, ranking, examined.theta(places))
    steep, flat = (value_of(logged, ranking, examined.theta(places, errors=errors)).mean for errors in (1, -1))
    error = hypot((value.high - value.low) / 2 / Z, (steep - flat) / 2)
    return value._replace(low=value.mean - Z * error, high=value.mean + Z * error)


def _mean_depth(times: Floats, depth: Floats, steepness: float) -> tuple[float, float]:
    """Mean and variance of the logarithm of the place of a click."""
    weights = times * np.exp(-steepness * depth)
    weights = weights / weights.sum()
    mean = float(weights @ depth)
    return mean, float(weights @ (depth - mean) ** 2)
