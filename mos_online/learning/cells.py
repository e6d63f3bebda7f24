"""How much more or less is clicked than expected, in one theme: decayed counts."""

from __future__ import annotations

import math

import msgspec

PRIOR = 200.0
"""n0: so many impressions that behave as expected are added to those that were seen."""

HALF_LIFE = 2_000.0
"""After so many impressions of a cell an impression counts half."""

KEPT = 0.5 ** (1 / HALF_LIFE)

MOST = 3.0
"""No offset is larger: the odds change by a factor of at most 20."""


class Cell(msgspec.Struct, kw_only=True):
    """Decayed sums over the impressions of a cell, for which the probability p was expected.

    Attributes:
        impressions: how many.
        clicks: C, how many of them were clicked.
        expected: E, the sum of p.
        variance: V, the sum of p(1 - p).

    >>> cell = Cell()
    >>> for n in range(2000):
    ...     cell.add(0.1, clicked=n % 5 == 0)
    >>> round(cell.offset(prior=0.0), 2), round(math.log(0.2 / 0.8) - math.log(0.1 / 0.9), 2)
    (0.81, 0.81)
    """

    impressions: float = 0.0
    clicks: float = 0.0
    expected: float = 0.0
    variance: float = 0.0

    def add(self, p: float, *, clicked: bool) -> None:
        """Count an impression."""
        self.impressions = self.impressions * KEPT + 1
        self.clicks = self.clicks * KEPT + clicked
        self.expected = self.expected * KEPT + p
        self.variance = self.variance * KEPT + p * (1 - p)

    def plus(self, other: Cell) -> Cell:
        """The cell of the impressions of both."""
        return Cell(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def offset(self, *, prior: float = PRIOR) -> float:
        """What to add to the log odds of p, so that as much is expected as was clicked.

        It is the difference of the log odds of the means of clicks and of p, times m(1 - m) n / V, where m is the mean
        of p: with equal p it is exact, and for small differences it is a step of Newton, (C - E) / V.

        Args:
            prior: n0, impressions with as many clicks as expected that are added.
        """
        if not self.variance:
            return 0.0
        mean = self.expected / self.impressions
        clicked = (self.clicks + prior * mean) / (self.impressions + prior)
        least = 0.5 / (self.impressions + prior)
        clicked = min(max(clicked, least), 1 - least)
        return min(max((log_odds(clicked) - log_odds(mean)) * self._scale(mean), -MOST), MOST)

    def rebase(self, change: float) -> None:
        """Count as if log odds that are higher by ``change`` had always been expected: the offset becomes lower by it.

        With a prior it does so in part.
        """
        if self.variance:
            mean = self.expected / self.impressions
            self.expected = self.impressions * sigmoid(log_odds(mean) + change / self._scale(mean))

    def _scale(self, mean: float) -> float:
        """1 if all p are equal, else more: with unequal p the same offset changes the mean less."""
        return mean * (1 - mean) * self.impressions / self.variance

    def forget(self, share: float) -> None:
        """Let everything counted so far count only this share."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) * share)


def log_odds(p: float) -> float:
    """log(p / (1 - p)), of p kept away from 0 and 1 by 1e-9."""
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def sigmoid(z: float) -> float:
    """The probability with the log odds z; finite for every z.

    >>> sigmoid(0.0), sigmoid(-800.0), sigmoid(800.0)
    (0.5, 0.0, 1.0)
    """
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    e = math.exp(max(z, -745.0))
    return e / (1 + e) if z > -745 else 0.0
