"""From scores to click probabilities: one logistic curve for each model version, with an offset for each position."""

from __future__ import annotations

import msgspec
import numpy as np

from mos_online.arrays import Floats
from mos_online.learning.cells import sigmoid

POSITIONS = 10
"""Positions with an offset of their own; later ones share the last. The first has none."""

WIDTH = 0.5
"""Of a bin of x."""

LOWEST = -16.0
"""Smaller x count as this. None is above 0."""

BINS = int(-LOWEST / WIDTH)

HALF_LIFE = 50_000.0
"""After so many impressions of the model an impression counts half."""

PRECISION = (0.01, 1.0, 4.0)
"""Of the normal priors of the intercept, the slope (around 0) and the positions: they decide where nothing is known."""

DIGITS = 6
"""Weights are rounded to so many digits, so that the last bits of linear algebra cannot be seen in them."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """p = sigmoid(intercept + slope * x + offset of the position), x = log of the model's chance.

    Attributes:
        intercept, slope: of the curve; a slope of 0 means that the scores say nothing.
        positions: offsets of positions 1, 2, ..., ``POSITIONS``; later positions have the last.
    """

    intercept: float
    slope: float
    positions: list[float]

    def log_odds(self, x: float, position: int) -> float:
        """The log odds of a click on what is displayed at ``position``, counted from 0."""
        at = self.positions[min(position, len(self.positions)) - 1] if position else 0.0
        return self.intercept + self.slope * min(max(x, LOWEST), 0.0) + at

    def p(self, x: float, position: int) -> float:
        """The probability of a click."""
        return sigmoid(self.log_odds(x, position))


class ScoreBins(msgspec.Struct, kw_only=True):
    """Decayed counts of impressions and clicks by position and x; what the curve is fitted on.

    Attributes:
        seen: impressions so far.
        bins: number of the bin -> decayed impressions, clicks and sum of x, and ``seen`` when these were true.
    """

    seen: int = 0
    bins: dict[int, tuple[float, float, float, int]] = {}

    def add(self, x: float, position: int, *, clicked: bool) -> None:
        """Count an impression at a position, counted from 0."""
        self.seen += 1
        x = min(max(x, LOWEST), -1e-9)
        number = int((x - LOWEST) / WIDTH) * (POSITIONS + 1) + min(position, POSITIONS)
        count, clicks, total, at = self.bins.get(number, (0.0, 0.0, 0.0, self.seen))
        kept = 0.5 ** ((self.seen - at) / HALF_LIFE)
        self.bins[number] = (count * kept + 1, clicks * kept + clicked, total * kept + x, self.seen)

    def fit(self) -> Curve:
        """The most probable curve under the priors: Newton's method on the bins (iteratively reweighted squares)."""
        count, clicks, design = self._table()
        precision = np.array([*PRECISION[:2], *[PRECISION[2]] * POSITIONS])
        weights = np.zeros(POSITIONS + 2)
        for _ in range(30):
            p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
            gradient = design.T @ (clicks - count * p) - precision * weights
            curvature = (design * (count * p * (1 - p))[:, None]).T @ design + np.diag(precision)
            step = np.linalg.solve(curvature, gradient)
            weights = weights + np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-9:
                break
        found = [round(float(weight), DIGITS) for weight in weights]
        return Curve(intercept=found[0], slope=found[1], positions=found[2:])

    def mean_change(self, old: Curve, new: Curve) -> float:
        """By how much the log odds of ``new`` are above those of ``old``, on average; weighted by p(1 - p)."""
        count, _, design = self._table()
        before = design @ np.array([old.intercept, old.slope, *old.positions])
        after = design @ np.array([new.intercept, new.slope, *new.positions])
        p = 1 / (1 + np.exp(-np.clip(before, -30, 30)))
        weight = count * p * (1 - p)
        return float((weight * (after - before)).sum() / weight.sum())

    def _table(self) -> tuple[Floats, Floats, Floats]:
        """Impressions and clicks of each bin, float64 (n,), and what the curve multiplies, (n, POSITIONS + 2)."""
        numbers = np.array(sorted(self.bins), np.int64)
        table = np.array([self.bins[number] for number in numbers.tolist()]).reshape(-1, 4)
        kept = 0.5 ** ((self.seen - table[:, 3]) / HALF_LIFE)
        design = np.zeros((len(numbers), POSITIONS + 2))
        design[:, 0] = 1
        design[:, 1] = table[:, 2] / table[:, 0]
        later = np.flatnonzero(numbers % (POSITIONS + 1))
        design[later, 1 + numbers[later] % (POSITIONS + 1)] = 1
        return table[:, 0] * kept, table[:, 1] * kept, design
