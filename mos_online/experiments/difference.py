"""What a treatment adds to the mean of a metric, one finished user after the other."""

from __future__ import annotations

from math import inf, sqrt

import msgspec

from mos_online.experiments.confidence_sequence import ALPHA, FIRST_LOOK, Interval, interval
from mos_online.experiments.first_look import missing

FEWEST_FOR_SLOPE = 100
"""Users from which the slope is known well enough to adjust by it; that of a handful can be of any size, and what one
user then adds widens the interval for good."""


class Difference(msgspec.Struct, kw_only=True):
    """Mean of treated users minus mean of the others, adjusted for what was known of them before.

    Every user counts once, when the user's window has closed, with

        f = (Z / p - (1 - Z) / (1 - p)) (Y - mean of Y - b (X - mean of X)),   b = cov(X, Y) / var(X),

    where the pooled means and b come from earlier users only, and b is 0 for the first ``FEWEST_FOR_SLOPE``. So each f
    has the true difference as its expectation, whatever the split, and the split may change from user to user (a
    ramp). The intervals are a confidence sequence over the f. Sources: regression adjustment in a confidence sequence,
    Lindon, Ham, Tingley & Bojinov (arXiv 2210.08589); the sequence, Waudby-Smith et al. (arXiv 2103.06476, section 3);
    CUPED, Deng et al. (WSDM 2013).

    What it rests on: users do not influence each other; p is the true probability; X was fixed before the treatment.

    Attributes:
        users: others and treated ones.
        mean_y, mean_x: of outcomes and covariates.
        var_x, cov: sums of squares and of products around the means.
        var_y, cube_y: sums of squares and of cubes of the outcomes around their mean.
        mean_f, var_f: mean of the f, and their sum of squares around it.
        begun: whether the first look has been. When it is depends on the users up to then and on no later one, so the
            sequence holds from it on; one outlier among the next users takes no bounds back.
    """

    users: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    mean_y: float = 0.0
    mean_x: float = 0.0
    var_x: float = 0.0
    cov: float = 0.0
    var_y: float = 0.0
    cube_y: float = 0.0
    mean_f: float = 0.0
    var_f: float = 0.0
    begun: bool = False

    def add(self, *, treated: bool, probability: float, outcome: float, before: float = 0.0) -> None:
        """Count a user.

        Args:
            treated: the user's arm.
            probability: that a user like this one is treated, between 0 and 1 (excluded), as of the user's assignment.
            outcome: the metric in the user's window.
            before: a covariate that was fixed before the user's first treatment, such as the metric of the weeks
                before.
        """
        count = sum(self.users)
        slope = self.cov / self.var_x if self.var_x > 0 and count >= FEWEST_FOR_SLOPE else 0.0
        residual = outcome - self.mean_y - slope * (before - self.mean_x)
        effect = residual / probability if treated else -residual / (1 - probability)
        self.users[treated] += 1
        share = 1 / (count + 1)
        step = before - self.mean_x
        self.mean_x += step * share
        self.var_x += step * (before - self.mean_x)
        self._add_outcome(outcome, count)
        self.cov += step * (outcome - self.mean_y)
        off = effect - self.mean_f
        self.mean_f += off * share
        self.var_f += off * (effect - self.mean_f)
        if not self.begun and count + 1 >= FIRST_LOOK:
            self.begun = self.var_y > 0 and not any(self.missing)

    def _add_outcome(self, outcome: float, count: int) -> None:
        """Moments around the mean, as by Terriberry's recurrence."""
        step = outcome - self.mean_y
        by_user = step / (count + 1)
        self.mean_y += by_user
        self.cube_y += step * by_user * by_user * count * (count - 1) - 3 * by_user * self.var_y
        self.var_y += step * by_user * count

    @property
    def missing(self) -> tuple[int, int]:
        """About how many others and treated users are missing before anything is said; (0, 0) from then on.

        It is also (0, 0) while enough users are alike: then nothing is said before one differs.
        """
        if self.begun:
            return 0, 0
        skewness2 = sum(self.users) * (self.cube_y / self.var_y) ** 2 / self.var_y if self.var_y > 0 else 0.0
        return missing(self.users, skewness2)

    @property
    def outcome(self) -> float:
        """The mean outcome of all users, of both arms."""
        return self.mean_y

    def interval(self, *, expected: float, alpha: float = ALPHA) -> Interval:
        """The difference with its interval, valid at every look; without bounds before the first one.

        Args:
            expected: users of both arms together at which a decision is expected.
            alpha: chance that the true difference ever lies outside.
        """
        count = sum(self.users)
        if not self.begun:
            return Interval(self.mean_f, -inf, inf)
        return interval(count, self.mean_f, sqrt(self.var_f / count), expected=expected, alpha=alpha)


class RatioOutcome(msgspec.Struct, kw_only=True):
    """Turns a ratio of sums, such as clicks per impression, into one number per user (delta method).

    L = (numerator - R denominator) / mean denominator, with R the ratio of the sums and the mean of all earlier users.
    The difference of the means of L is the difference of the ratios to first order.

    Attributes:
        users: that count; numerator, denominator: their sums.
    """

    users: int = 0
    numerator: float = 0.0
    denominator: float = 0.0

    def of(self, numerator: float, denominator: float) -> float:
        """The number of a user, who then counts for the next ones; 0.0 as long as no denominator is known."""
        value = 0.0
        if self.denominator > 0:
            value = (numerator - self.ratio * denominator) / (self.denominator / self.users)
        self.users += 1
        self.numerator += numerator
        self.denominator += denominator
        return value

    @property
    def ratio(self) -> float:
        """The ratio of the sums of all users, 0.0 before any."""
        return self.numerator / self.denominator if self.denominator > 0 else 0.0
