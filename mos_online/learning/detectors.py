"""Detectors of drift: each takes one number after another, and says when their mean has changed."""

from __future__ import annotations

import math
from typing import Protocol

from river.drift import ADWIN

SLACK = 0.03
"""k: a mean residual that is nearer to 0 than this many standard deviations is no drift."""


class Detector(Protocol):
    """Takes a signal, one value for each event.

    Attributes:
        before, after: means that it has compared, when it has just found a drift.
    """

    before: float
    after: float

    def update(self, value: float) -> bool:
        """Take a value; whether it shows a drift. After one, the detector begins anew."""


class Cusum:
    """Two-sided cumulative sums of residuals, whose mean is 0 and whose variance is 1 as long as all is well.

    It finds a small lasting shift of the mean with the least delay, and its false alarms can be computed (Page 1954).
    """

    def __init__(self, threshold: float, *, slack: float = SLACK) -> None:
        """Begin; ``threshold`` is h of ``cusum_threshold``, ``slack`` is k."""
        self.before = self.after = 0.0
        self._threshold, self._slack = threshold, slack
        self._up = self._down = 0.0
        self._since_up = self._since_down = 0

    def update(self, value: float) -> bool:
        """Take a residual."""
        self._up += value - self._slack
        self._down -= value + self._slack
        self._since_up += 1
        self._since_down += 1
        if self._up <= 0:
            self._up, self._since_up = 0.0, 0
        if self._down <= 0:
            self._down, self._since_down = 0.0, 0
        if max(self._up, self._down) <= self._threshold:
            return False
        if self._up > self._down:
            self.after = self._up / self._since_up + self._slack
        else:
            self.after = -self._down / self._since_down - self._slack
        self._up = self._down = 0.0
        self._since_up = self._since_down = 0
        return True


class AdaptiveWindow:
    """ADWIN: a window that is cut where the means of its two parts differ (Bifet & Gavaldà 2007), from River.

    Its promise is for values in a range of length 1. With the residuals of the log loss, whose standard deviation is
    below 1 and which are rarely larger than 3, it gives no false alarm in millions of values either.
    """

    def __init__(self, delta: float) -> None:
        """Begin; ``delta`` is the chance that a cut is made without a change."""
        self.before = self.after = 0.0
        self._window = ADWIN(delta=delta)

    def update(self, value: float) -> bool:
        """Take a value."""
        self.before = self._window.estimation
        self._window.update(value)
        if not self._window.drift_detected:
            return False
        self.after = self._window.estimation
        return True


def cusum_threshold(events: float, *, slack: float = SLACK) -> float:
    """The threshold h with which a two-sided CUSUM alarms once in so many quiet events on average.

    Siegmund's approximation (Sequential Analysis, 1985, equation 2.57, both sides together):
    events = (exp(2kb) - 2kb - 1) / (4 k^2), b = h + 1.166.

    >>> round(cusum_threshold(100_000)), round(cusum_threshold(300_000))
    (97, 115)
    """
    low, high = 0.0, 100.0
    while _quiet(high, slack) < events:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _quiet(middle, slack) < events else (low, middle)
    return high


def _quiet(threshold: float, slack: float) -> float:
    twice = 2 * slack * (threshold + 1.166)
    return (math.exp(min(twice, 700.0)) - twice - 1) / (4 * slack * slack)
