"""What a treatment adds to the mean of a metric, one finished user after the other."""

from __future__ import annotations

from math import sqrt

from mos_online.experiments.confidence_sequence import ALPHA, Interval, interval


class Difference:
    """Mean of treated users minus mean of the others, adjusted for what was known of them before.

    Every user counts once, when the user's window has closed, with

        f = (Z / p - (1 - Z) / (1 - p)) (Y - mean of Y - b (X - mean of X)),   b = cov(X, Y) / var(X),

    where the pooled means and b come from earlier users only. So each f has the true difference as its expectation,
    whatever the split, and the split may change from user to user (a ramp). The intervals are a confidence sequence
    over the f. Sources: regression adjustment in a confidence sequence, Lindon, Ham, Tingley & Bojinov (arXiv
    2210.08589); the sequence, Waudby-Smith et al. (arXiv 2103.06476, section 3); CUPED, Deng et al. (WSDM 2013).

    What it rests on: users do not influence each other; p is the true probability; X was fixed before the treatment.
    """

    def __init__(self) -> None:
        self.users = [0, 0]
        self._mean_y = self._mean_x = self._var_x = self._cov = 0.0
        self._mean_f = self._var_f = 0.0

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
        slope = self._cov / self._var_x if self._var_x > 0 else 0.0
        residual = outcome - self._mean_y - slope * (before - self._mean_x)
        effect = residual / probability if treated else -residual / (1 - probability)
        self.users[treated] += 1
        share = 1 / (count + 1)
        step = before - self._mean_x
        self._mean_x += step * share
        self._var_x += step * (before - self._mean_x)
        self._cov += step * (outcome - self._mean_y)
        self._mean_y += (outcome - self._mean_y) * share
        off = effect - self._mean_f
        self._mean_f += off * share
        self._var_f += off * (effect - self._mean_f)

    @property
    def outcome(self) -> float:
        """The mean outcome of all users, of both arms."""
        return self._mean_y

    def interval(self, *, expected: float, alpha: float = ALPHA) -> Interval:
        """The difference with its interval, valid at every look.

        Args:
            expected: users of both arms together at which a decision is expected.
            alpha: chance that the true difference ever lies outside.
        """
        count = sum(self.users)
        deviation = sqrt(self._var_f / count) if count else 0.0
        return interval(count, self._mean_f, deviation, expected=expected, alpha=alpha)


class RatioOutcome:
    """Turns a ratio of sums, such as clicks per impression, into one number per user (delta method).

    L = (numerator - R denominator) / mean denominator, with R the ratio of the sums and the mean of all earlier users.
    The difference of the means of L is the difference of the ratios to first order.
    """

    def __init__(self) -> None:
        self._users = 0
        self._numerator = self._denominator = 0.0

    def of(self, numerator: float, denominator: float) -> float:
        """The number of a user, who then counts for the next ones; 0.0 as long as no denominator is known."""
        value = 0.0
        if self._denominator > 0:
            ratio = self._numerator / self._denominator
            value = (numerator - ratio * denominator) / (self._denominator / self._users)
        self._users += 1
        self._numerator += numerator
        self._denominator += denominator
        return value

    @property
    def ratio(self) -> float:
        """The ratio of the sums of all users, 0.0 before any."""
        return self._numerator / self._denominator if self._denominator > 0 else 0.0
