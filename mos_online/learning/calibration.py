"""The click probabilities of one model version in one arm: the curve, and a cell of each theme on top."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mos_online.learning.cells import Cell, sigmoid
from mos_online.learning.score_map import Curve, ScoreBins

FIRST_FIT = 2_000
"""Impressions before the first curve. Later ones are fitted when there are twice as many."""

LAST_DOUBLING = 64_000
"""From here on the curve is fitted again after each so many impressions."""


class Shown(NamedTuple):
    """An item that was displayed.

    Attributes:
        x: log of the model's chance that the item is clicked next.
        position: its place, counted from 0.
        theme: of the item.
        clicked: whether it was.
    """

    x: float
    position: int
    theme: int
    clicked: bool


class Calibration(msgspec.Struct, kw_only=True):
    """What was learned of one model version, in the order of the events. Each impression is predicted, then learned.

    Attributes:
        bins: what the next curve is fitted on.
        curve: None until there are ``FIRST_FIT`` impressions.
        next_fit: impressions at which the curve is fitted again.
        cells: by theme, counted against ``curve``.
    """

    bins: ScoreBins = msgspec.field(default_factory=ScoreBins)
    curve: Curve | None = None
    next_fit: int = FIRST_FIT
    cells: dict[int, Cell] = {}

    def p(self, shown: Shown) -> float | None:
        """The probability that was to be expected; None while nothing is known."""
        if self.curve is None:
            return None
        cell = self.cells.get(shown.theme)
        offset = cell.offset() if cell is not None else 0.0
        return sigmoid(self.curve.log_odds(shown.x, shown.position) + offset)

    def learn(self, shown: Shown) -> None:
        """Learn from an impression."""
        self.bins.add(shown.x, shown.position, clicked=shown.clicked)
        if self.curve is not None:
            cell = self.cells.setdefault(shown.theme, Cell())
            cell.add(self.curve.p(shown.x, shown.position), clicked=shown.clicked)
        if self.bins.seen >= self.next_fit:
            self._fit()

    def offsets(self) -> dict[int, float]:
        """What the cells add to the log odds, by theme."""
        return {theme: round(self.cells[theme].offset(), 4) for theme in sorted(self.cells)}

    def forget(self, share: float, *, theme: int | None) -> None:
        """Let the cell of a theme, or all of them (None), count only this share of what they have counted."""
        for number, cell in self.cells.items():
            if theme in (None, number):
                cell.forget(share)

    def _fit(self) -> None:
        before, self.curve = self.curve, self.bins.fit()
        self.next_fit = self.bins.seen + min(self.bins.seen, LAST_DOUBLING)
        if before is not None:
            change = self.bins.mean_change(before, self.curve)
            for cell in self.cells.values():
                cell.rebase(change)
