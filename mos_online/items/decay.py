"""Exponentially decayed counts of clicks in event time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mos_online.arrays import Floats, Ints


class DecayClock:
    """Gives newer clicks greater weights, so that counts need not be decayed one by one.

    Sums of these weights equal decayed counts up to one factor, the weight of a click now.

    Args:
        half_life_ms: after this much event time a click weighs half as much as a new one.
        rescale: called with the factor by which all weights handed out so far must shrink, long before one overflows.
    """

    def __init__(self, half_life_ms: float, rescale: Callable[[float], None]) -> None:
        self._rate = math.log(2) / half_life_ms
        self._rescale = rescale
        self._origin: int | None = None

    def weight(self, timestamp: int) -> float:
        """The weight of a click at ``timestamp`` (ms), comparable with all others handed out."""
        if self._origin is None:
            self._origin = timestamp
        exponent = (timestamp - self._origin) * self._rate
        if exponent > 200:
            self._rescale(math.exp(-exponent))
            self._origin, exponent = timestamp, 0.0
        return math.exp(max(exponent, -200.0))

    def weights(self, timestamps: Ints) -> Floats:
        """The weights of clicks at these times (int64, at least one), float64."""
        self.weight(int(timestamps.max()))  # sets the origin, and rescales if it must
        exponents = (timestamps - (self._origin or 0)) * self._rate
        weights: Floats = np.exp(np.maximum(exponents, -200.0))
        return weights


class DecayedCounts:
    """Decayed counts by row. The count of a row that has faded away is zero.

    Attributes:
        weights: float64, by row, in the unit of ``unit``; rows beyond its end have never been counted.
        total: the sum over all rows, in the same unit.
    """

    def __init__(self, half_life_ms: float) -> None:
        self._clock = DecayClock(half_life_ms, self._rescale)
        self.weights = np.zeros(1024)
        self.total = 0.0

    def add(self, row: int, timestamp: int, count: float = 1.0) -> None:
        """Count ``count`` clicks at ``timestamp`` (ms) in a row."""
        self._reach(row)
        weight = count * self._clock.weight(timestamp)
        self.weights[row] += weight
        self.total += weight

    def add_all(self, rows: Ints, timestamps: Ints, counts: Floats) -> None:
        """The same for many at once.

        Args:
            rows: int64 (n,), any order, repeats allowed.
            timestamps: int64 (n,), ms.
            counts: float64 (n,).
        """
        if not len(rows):
            return
        self._reach(int(rows.max()))
        added = counts * self._clock.weights(timestamps)
        np.add.at(self.weights, rows, added)
        self.total += float(added.sum())

    def unit(self, timestamp: int) -> float:
        """The weight of one click at ``timestamp`` (ms). Weights divided by it are counts decayed to that moment."""
        return self._clock.weight(timestamp)

    def first(self, count: int) -> Floats:
        """The weights of the first ``count`` rows."""
        weights = self.weights
        return weights[:count] if len(weights) >= count else np.pad(weights, (0, count - len(weights)))

    def keep(self, rows: Ints) -> None:
        """Keep these rows (int64, ascending), numbered anew from 0, and forget the others. The total stays."""
        self._reach(int(rows[-1]) if len(rows) else 0)
        self.weights = np.concatenate([self.weights[rows], np.zeros(1024)])

    def _reach(self, row: int) -> None:
        while row >= len(self.weights):
            self.weights = np.concatenate([self.weights, np.zeros_like(self.weights)])

    def _rescale(self, factor: float) -> None:
        self.weights *= factor
        self.total *= factor
