"""One metric in two arms: both values, the difference with its confidence sequence, and the naive interval beside."""

from __future__ import annotations

from math import inf, sqrt

import msgspec

from mos_online.experiments.confidence_sequence import ALPHA
from mos_online.experiments.difference import Difference, RatioOutcome


class ArmSums(msgspec.Struct, kw_only=True):
    """One arm: users, sums of what is divided, and mean and sum of squares of the users' outcomes."""

    users: int = 0
    numerator: float = 0.0
    denominator: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, numerator: float, denominator: float, outcome: float) -> None:
        """Count a user."""
        self.users += 1
        self.numerator += numerator
        self.denominator += denominator
        off = outcome - self.mean
        self.mean += off / self.users
        self.squares += off * (outcome - self.mean)

    @property
    def value(self) -> float:
        """The ratio of the sums; 0.0 without any."""
        return self.numerator / self.denominator if self.denominator else 0.0

    @property
    def error(self) -> float:
        """The variance of the mean; without bound for less than two users."""
        return self.squares / (self.users - 1) / self.users if self.users > 1 else inf


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What two arms are worth on a metric.

    Attributes:
        control, treated: the values of the arms, without any adjustment.
        users: of both arms, finished.
        difference: treated minus control, adjusted.
        missing: about how many finished users of the control and of the treated arm are missing before there are
            bounds; (0, 0) also if there are enough, who are all alike.
        low, high: bounds that hold at all looks together with the probability 1 - ``alpha``; None: nothing is known.
        naive_low, naive_high: what a t-test of this moment alone would say at 95 %; looked at often, it is wrong.
        alpha: see above.
    """

    control: float
    treated: float
    users: int
    missing: tuple[int, int]
    difference: float
    low: float | None
    high: float | None
    naive_low: float | None
    naive_high: float | None
    alpha: float


class Contrast(msgspec.Struct, kw_only=True):
    """A metric of the users of two arms, in the order in which they were finished.

    Attributes:
        scale: the control's numerators count so many times. So a treated arm that is just ``scale`` times the control
            has the difference 0, which is how margins and least effects are tested exactly.
        is_ratio: whether the denominators are what they are, and not all 1.
        ratio: linearises; difference: the confidence sequence.
        control, treated: the arms.
    """

    scale: float = 1.0
    is_ratio: bool = False
    ratio: RatioOutcome = msgspec.field(default_factory=RatioOutcome)
    difference: Difference = msgspec.field(default_factory=Difference)
    control: ArmSums = msgspec.field(default_factory=ArmSums)
    treated: ArmSums = msgspec.field(default_factory=ArmSums)

    def add(
        self, *, treated: bool, probability: float, numerator: float, denominator: float = 1.0, before: float = 0.0
    ) -> None:
        """Count a user: see ``Difference.add``; a metric that is no ratio has the denominator 1."""
        scaled = numerator if treated else numerator * self.scale
        outcome = self.ratio.of(scaled, denominator) if self.is_ratio else scaled
        self.difference.add(treated=treated, probability=probability, outcome=outcome, before=before)
        arm = self.treated if treated else self.control
        arm.add(numerator, denominator, outcome)

    def estimate(self, *, expected: float, alpha: float = ALPHA) -> Estimate:
        """The values at this look; ``expected`` and ``alpha`` as in ``Difference.interval``."""
        found = self.difference.interval(expected=expected, alpha=alpha)
        off = self.treated.mean - self.control.mean
        half = 1.96 * sqrt(self.treated.error + self.control.error)
        return Estimate(
            control=self.control.value,
            treated=self.treated.value,
            users=sum(self.difference.users),
            missing=self.difference.missing,
            difference=found.mean,
            low=_known(found.low),
            high=_known(found.high),
            naive_low=_known(off - half),
            naive_high=_known(off + half),
            alpha=alpha,
        )


def _known(bound: float) -> float | None:
    return bound if -inf < bound < inf else None
