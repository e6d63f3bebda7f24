"""How alike the lists of different users are: the catalogue that an arm covers, as a mean that can be tested.

Of two users who follow each other in an arm, the share of pairs of items, one of each list, that are the same item. Its
mean is the sum over the items of their squared shares (Simpson's concentration), and 1 by it is the effective number of
items that the arm shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import msgspec

from mos_online.experiments.confidence_sequence import FIRST_LOOK, interval
from mos_online.experiments.contrast import ArmSums, Estimate

MOST_WAITING = 1_000
"""Pairs of one arm that wait for pairs of the other; with more, the oldest goes."""


class Overlap(msgspec.Struct, kw_only=True):
    """Pairs of users of the control beside pairs of users of a treated arm: one observation each.

    Attributes:
        scale: by how much the concentration may be larger.
        alone: the list of a user who waits for the next one, by arm; the control first.
        waiting: pairs that wait for one of the other arm, by arm.
        mean, squares: of treated minus ``scale`` times control, and their sum of squares around the mean.
        pairs: of pairs that were compared.
        arms: the concentration of each.
    """

    scale: float
    alone: list[list[str]] = msgspec.field(default_factory=lambda: [[], []])
    waiting: list[list[float]] = msgspec.field(default_factory=lambda: [[], []])
    mean: float = 0.0
    squares: float = 0.0
    pairs: int = 0
    arms: list[ArmSums] = msgspec.field(default_factory=lambda: [ArmSums(), ArmSums()])

    def add(self, *, treated: bool, items: Sequence[str]) -> None:
        """Take the first list of a user."""
        if not items:
            return
        other = self.alone[treated]
        if not other:
            self.alone[treated] = list(items)
            return
        self.alone[treated] = []
        alike = len(set(items) & set(other)) / (len(set(items)) * len(set(other)))
        self.arms[treated].add(alike, 1.0, alike)
        self.waiting[treated] = [*self.waiting[treated], alike][-MOST_WAITING:]
        if all(self.waiting):
            self._compare(self.waiting[1].pop(0) - self.scale * self.waiting[0].pop(0))

    def _compare(self, value: float) -> None:
        self.pairs += 1
        off = value - self.mean
        self.mean += off / self.pairs
        self.squares += off * (value - self.mean)

    def estimate(self, *, expected: float, alpha: float) -> Estimate:
        """How the concentrations compare: the difference is treated minus ``scale`` times control."""
        deviation = sqrt(self.squares / self.pairs) if self.pairs else 0.0
        found = interval(self.pairs, self.mean, deviation, expected=expected / 4, alpha=alpha)
        return Estimate(
            control=self.arms[0].value,
            treated=self.arms[1].value,
            users=4 * self.pairs,
            missing=(2 * max(0, FIRST_LOOK - self.pairs),) * 2,
            difference=self.mean,
            low=found.low if self.pairs and found.low > -1e300 else None,
            high=found.high if self.pairs and found.high < 1e300 else None,
            naive_low=None,
            naive_high=None,
            alpha=alpha,
        )
