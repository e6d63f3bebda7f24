"""Whether an effect fades while users get used to an arm: the effect by the time since a user's first exposure."""

from __future__ import annotations

import msgspec

from mos_online.experiments.contrast import Contrast, Estimate
from mos_online.experiments.difference import Difference, RatioOutcome
from mos_online.experiments.user_row import PARTS, UserRow

EARLY, LATE = slice(0, 3), slice(PARTS - 3, PARTS)
"""Parts of the window that are compared."""

FEWEST_SHOWN = 1_000
"""Items that were shown in the last parts before users are compared: without any, nothing is known of them."""


class Novelty(msgspec.Struct, kw_only=True):
    """The effect on the CTR by part of the users' windows.

    Attributes:
        parts: the effect in each part.
        early, late: linearise the CTR of the first and of the last parts.
        fading: by how much the effect of the first parts is larger than that of the last.
    """

    parts: list[Contrast] = msgspec.field(default_factory=lambda: [Contrast(is_ratio=True) for _ in range(PARTS)])
    early: RatioOutcome = msgspec.field(default_factory=RatioOutcome)
    late: RatioOutcome = msgspec.field(default_factory=RatioOutcome)
    fading: Difference = msgspec.field(default_factory=Difference)

    def add(self, row: UserRow, *, treated: bool, probability: float) -> None:
        """Count a finished user."""
        for contrast, clicked, shown in zip(self.parts, row.clicked, row.shown, strict=True):
            contrast.add(treated=treated, probability=probability, numerator=float(clicked), denominator=float(shown))
        early = self.early.of(float(sum(row.clicked[EARLY])), float(sum(row.shown[EARLY])))
        late = self.late.of(float(sum(row.clicked[LATE])), float(sum(row.shown[LATE])))
        if self.late.denominator >= FEWEST_SHOWN:
            self.fading.add(treated=treated, probability=probability, outcome=early - late)

    def estimates(self, *, expected: float, alpha: float) -> list[Estimate]:
        """The effect in each part, with intervals that allow for their number."""
        return [contrast.estimate(expected=expected, alpha=alpha / PARTS) for contrast in self.parts]

    def fades(self, *, expected: float, alpha: float) -> bool:
        """Whether a positive effect is sure to be smaller in the last parts than in the first."""
        return self.fading.interval(expected=expected, alpha=alpha).low > 0
