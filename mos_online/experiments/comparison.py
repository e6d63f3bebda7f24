"""One arm beside the control: everything that is counted of both, user by user."""

from __future__ import annotations

import msgspec

from mos_online.experiments.contrast import Contrast
from mos_online.experiments.counting import Sums
from mos_online.experiments.early_row import EarlyRow
from mos_online.experiments.guards import Guard
from mos_online.experiments.metrics import RATIOS, number_of
from mos_online.experiments.novelty import Novelty
from mos_online.experiments.plan import ExperimentPlan, Metric
from mos_online.experiments.user_row import UserRow


class Comparison(msgspec.Struct, kw_only=True):
    """An arm and the control.

    Attributes:
        arm: its name.
        primary: the primary metric; secondary: the others, by name.
        least: the primary metric, less what ``smallest_effect`` would add; None without one.
        guards: as planned.
        novelty: the effect by the time since the first exposure.
        themes: theme -> items that were shown in the first hours of users, in the control and in the arm.
        closed_at: event time (ms) from which on nobody is counted, since the arm is gone; None while it is there.
    """

    arm: str
    primary: Contrast
    secondary: dict[Metric, Contrast]
    least: Contrast | None
    guards: list[Guard]
    novelty: Novelty = msgspec.field(default_factory=Novelty)
    themes: dict[int, list[int]] = {}
    closed_at: int | None = None

    @classmethod
    def of(cls, plan: ExperimentPlan, arm: str) -> Comparison:
        """Before any user."""
        effect = plan.smallest_effect
        return cls(
            arm=arm,
            primary=Contrast(is_ratio=plan.primary in RATIOS),
            secondary={name: Contrast(is_ratio=name in RATIOS) for name in plan.secondary},
            least=Contrast(scale=1 + effect, is_ratio=plan.primary in RATIOS) if effect is not None else None,
            guards=[Guard.of(guardrail) for guardrail in plan.guardrails],
        )

    def add(self, plan: ExperimentPlan, row: UserRow, usual: Sums | None, *, treated: bool, probability: float) -> None:
        """Count a finished user of one of the two arms; ``probability`` is that one of them is in this arm."""
        counted = [(plan.primary, self.primary), *self.secondary.items()]
        if self.least is not None:
            counted.append((plan.primary, self.least))
        for metric, contrast in counted:
            of_user = number_of(metric, row, usual)
            contrast.add(
                treated=treated,
                probability=probability,
                numerator=of_user.numerator,
                denominator=of_user.denominator,
                before=of_user.before,
            )
        self.novelty.add(row, treated=treated, probability=probability)

    def guard(self, row: EarlyRow, *, treated: bool, probability: float) -> None:
        """Count the first hour of a user of one of the two arms."""
        for guard in self.guards:
            guard.add(row, treated=treated, probability=probability)
        for theme, shown in row.themes.items():
            self.themes.setdefault(theme, [0, 0])[treated] += shown
