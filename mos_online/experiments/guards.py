"""Guardrails: metrics that an arm must not harm, each with its margin, in the first hour of each user."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mos_online.experiments.contrast import Contrast, Estimate
from mos_online.experiments.early_row import EarlyRow
from mos_online.experiments.overlap import Overlap
from mos_online.experiments.plan import Guardrail

MOST_THEMES = 32
"""Themes that are watched: so many times the chance of a false alarm is divided."""

BETTER_IF_MORE = frozenset({"ctr"})
UNKNOWN_AT_0 = frozenset({"popularity-lift"})
"""Of these a value of 0 means that nothing is known."""

MEANINGS = {
    "ctr": "clicked items, by shown items",
    "latency": "share of the shown answers that took longer than so many ms",
    "fallback": "share of the shown answers that fell back",
    "coverage": "effective number of items in the users' first lists (1 by the sum of their squared shares)",
    "popularity-lift": "mean popularity of the shown items: their share of all actions before the experiment",
    "theme-exposure": "share of the shown items that are of a theme; the theme that is harmed most",
    "orphan-clicks": "clicks that name an answer and were credited to none that they name, by clicks that name one",
}


class Guarded(NamedTuple):
    """What became of a guardrail.

    Attributes:
        metric, margin: as planned; slower_than: of latency, ms.
        theme: that is judged, for the exposure of themes.
        control, treated: the values of the arms.
        users: that were counted; missing: those of the control and of the arm before there is a bound.
        bound: with the chance that was planned the treated arm is at least so much worse than the margin allows, in
            units of the metric: above 0 it is breached. None: not known yet.
        breached: whether it is.
        alpha: chance of a false alarm at any look.
    """

    metric: str
    margin: float
    theme: int | None
    control: float
    treated: float
    users: int
    missing: tuple[int, int]
    bound: float | None
    breached: bool
    alpha: float
    slower_than: int | None = None

    @property
    def named(self) -> str:
        """What was judged, for people."""
        if self.theme is not None:
            return f"{self.metric}, theme {self.theme}"
        return self.metric if self.slower_than is None else f"{self.metric}, slower than {self.slower_than} ms"


class Guard(msgspec.Struct, kw_only=True):
    """One guardrail of one arm, watched user by user.

    Attributes:
        metric, margin: as planned; slower_than: of latency, ms.
        contrast: of most metrics.
        themes: by theme, instead.
        overlap: for the coverage, instead.
    """

    metric: str
    margin: float
    slower_than: int | None = None
    contrast: Contrast | None = None
    themes: dict[int, Contrast] = {}
    overlap: Overlap | None = None

    @classmethod
    def of(cls, planned: Guardrail) -> Guard:
        """A guardrail of the plan, before any user."""
        metric, margin = planned.metric, planned.margin
        if metric == "theme-exposure":
            return cls(metric=metric, margin=margin)
        if (
            metric == "coverage"
        ):  # the effective number may be smaller by the margin: the concentration 1 / (1 - margin)
            return cls(metric=metric, margin=margin, overlap=Overlap(scale=1 / (1 - margin)))
        scale = 1 - margin if metric in BETTER_IF_MORE else 1 + margin
        slow = planned.slow if metric == "latency" else None
        return cls(metric=metric, margin=margin, slower_than=slow, contrast=Contrast(scale=scale, is_ratio=True))

    def watches(self, planned: Guardrail) -> bool:
        """Whether it is this guardrail of the plan."""
        slow = planned.slow if self.metric == "latency" else None
        return (self.metric, self.margin, self.slower_than) == (planned.metric, planned.margin, slow)

    def add(self, row: EarlyRow, *, treated: bool, probability: float) -> None:
        """Count a finished user."""
        if self.overlap is not None:
            self.overlap.add(treated=treated, items=row.first)
        elif self.contrast is not None:
            numerator, denominator = self._ratio(row)
            self.contrast.add(treated=treated, probability=probability, numerator=numerator, denominator=denominator)
        else:
            self._add_themes(row, treated=treated, probability=probability)

    def _ratio(self, row: EarlyRow) -> tuple[float, float]:
        """A user's numerator and denominator."""
        shown = float(row.shown)
        if self.metric == "ctr":
            return float(row.clicked), shown
        if self.slower_than is not None:
            return float(row.slow.get(self.slower_than, 0)), float(row.timed)
        if self.metric == "fallback":
            return float(row.fallbacks), float(row.answers)
        if self.metric == "popularity-lift":
            return row.popular, shown
        return float(max(0, row.named - row.credited)), float(row.named)

    def _add_themes(self, row: EarlyRow, *, treated: bool, probability: float) -> None:
        for theme in sorted(row.themes):
            if theme and theme not in self.themes and len(self.themes) < MOST_THEMES:
                self.themes[theme] = Contrast(scale=1 - self.margin, is_ratio=True)
        shown = float(row.shown)
        for theme, contrast in self.themes.items():
            contrast.add(
                treated=treated,
                probability=probability,
                numerator=float(row.themes.get(theme, 0)),
                denominator=shown,
            )

    def judged(self, *, expected: float, alpha: float) -> Guarded:
        """What is known at this look; ``alpha`` is that of this guardrail of this arm."""
        if self.overlap is not None:
            found = self.overlap.estimate(expected=expected, alpha=alpha)
            told = self._told(found, found.low, alpha)
            return told._replace(control=_inverse(told.control), treated=_inverse(told.treated))
        if self.contrast is not None:
            found = self.contrast.estimate(expected=expected, alpha=alpha)
            if self.metric in BETTER_IF_MORE:
                return self._told(found, None if found.high is None else -found.high, alpha)
            known = self.contrast.control.numerator > 0 or self.metric not in UNKNOWN_AT_0
            return self._told(found, found.low if known else None, alpha)
        worst: Guarded | None = None
        for theme, contrast in self.themes.items():
            found = contrast.estimate(expected=expected, alpha=alpha / MOST_THEMES)
            one = self._told(found, None if found.high is None else -found.high, alpha)._replace(theme=theme)
            if worst is None or _worse(one, worst):
                worst = one
        return worst or Guarded(self.metric, self.margin, None, 0.0, 0.0, 0, (0, 0), None, False, alpha)

    def _told(self, found: Estimate, bound: float | None, alpha: float) -> Guarded:
        breached = bound is not None and bound > 0
        return Guarded(
            self.metric,
            self.margin,
            None,
            found.control,
            found.treated,
            found.users,
            found.missing,
            bound,
            breached,
            alpha,
            self.slower_than,
        )


def _inverse(value: float) -> float:
    return 1 / value if value else 0.0


def _worse(one: Guarded, other: Guarded) -> bool:
    if one.bound is None or other.bound is None:
        return other.bound is None and one.bound is not None
    return one.bound > other.bound
