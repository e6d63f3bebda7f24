"""Watches themes and click probabilities for drift. Feed it in the order of the events."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mos_online.experiments.treatment import CHAMPION
from mos_online.learning.alarms import ACTIONS, EVENTS_PER_FALSE_ALARM, DriftAlarm, Signal
from mos_online.learning.detectors import AdaptiveWindow, Cusum, Detector, cusum_threshold

OF_AN_IMPRESSION = 3
"""Detectors that see an impression: the residuals of its arm and of its theme, and the losses of its theme."""

CUSUM_THRESHOLD = cusum_threshold(OF_AN_IMPRESSION * EVENTS_PER_FALSE_ALARM)
"""An impression goes through ``OF_AN_IMPRESSION`` detectors, which share the budget (Bonferroni)."""

LOSS_DELTA = 1e-4

SHARE_DELTA = 0.002
"""Of all themes and of unrouted sessions together."""

LEAST_P = 1e-3
"""Smaller probabilities count as this: one click at 1e-6 must not alarm alone."""


class DriftMonitor:
    """Detectors of all signals. It cannot be stored: after a restart feed it the last hour again."""

    def __init__(self) -> None:
        self._shares: list[Detector] = []
        self._residuals: dict[tuple[str, int | None], Detector] = {}
        self._losses: dict[tuple[str, int], Detector] = {}

    def begin_epoch(self, themes: int) -> None:
        """Watch the shares of themes 0 (none) to ``themes`` anew: they mean something else than before."""
        self._shares = [AdaptiveWindow(SHARE_DELTA / (themes + 3)) for _ in range(themes + 1)]

    def session(self, theme: int, at: int) -> Iterator[DriftAlarm]:
        """Take the theme of a closed session, 0 to K of the epoch; ``at`` is its event time (ms)."""
        for number, detector in enumerate(self._shares):
            if detector.update(float(number == theme)):
                yield _alarm("theme_share", CHAMPION, number, at, detector)

    def impression(self, arm: str, theme: int, at: int, *, p: float, clicked: bool) -> Iterator[DriftAlarm]:
        """Take an impression.

        Args:
            arm: who ranked.
            theme: of the item.
            at: event time (ms).
            p: the probability of a click that was expected before.
            clicked: whether it was.
        """
        p = min(max(p, LEAST_P), 1 - LEAST_P)
        residual = (clicked - p) / math.sqrt(p * (1 - p))
        for of in (theme, None):
            detector = self._residuals.get((arm, of))
            if detector is None:
                detector = self._residuals[arm, of] = Cusum(CUSUM_THRESHOLD)
            if detector.update(residual):
                yield _alarm("calibration", arm, of, at, detector)
                if of is None:  # its cure is that of all themes, which begin anew
                    self._residuals = {key: kept for key, kept in self._residuals.items() if key[0] != arm}
        losses = self._losses.get((arm, theme))
        if losses is None:
            losses = self._losses[arm, theme] = AdaptiveWindow(LOSS_DELTA)
        if losses.update(loss_residual(p, clicked=clicked)):
            yield _alarm("loss", arm, theme, at, losses)


def loss_residual(p: float, *, clicked: bool) -> float:
    """By how much the log loss is above what it is expected to be if p is right.

    -(y - p) log(p / (1 - p)): its mean is 0 as long as p is right. It grows if scores say less than they did, although
    as many items are clicked as before.
    """
    return (p - clicked) * math.log(p / (1 - p))


def _alarm(signal: Signal, arm: str, theme: int | None, at: int, detector: Detector) -> DriftAlarm:
    return DriftAlarm(signal, arm, theme, at, detector.before, detector.after, ACTIONS[signal][0])
