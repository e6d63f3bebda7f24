"""What is known of an arm at one look, and how sure it is."""

from __future__ import annotations

import msgspec

from mos_online.experiments.comparison import Comparison
from mos_online.experiments.confidence_sequence import ALPHA
from mos_online.experiments.contrast import Estimate
from mos_online.experiments.guards import Guarded
from mos_online.experiments.plan import ExperimentPlan, Metric
from mos_online.experiments.reading import shares


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """How sure what is said of one arm must be, and when it is expected.

    Attributes:
        primary, secondary, guardrail: chance that what is said of one of them is ever wrong (Bonferroni).
        expected: users of the arm and the control at which a decision is expected.
    """

    primary: float
    secondary: float
    guardrail: float
    expected: float

    @classmethod
    def of(cls, plan: ExperimentPlan, arm: str) -> Levels:
        """Those of an arm of the plan."""
        others = len(plan.arms) - 1
        sizes = {one.name: size for one, size in zip(plan.arms, shares(plan.arms), strict=True)}
        both = (sizes[arm] + sizes[plan.control]) / sum(sizes.values())
        return cls(
            primary=ALPHA / others,
            secondary=ALPHA / others / max(1, len(plan.secondary)),
            guardrail=ALPHA / others / max(1, len(plan.guardrails)),
            expected=plan.expected_users * both,
        )


class ArmResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an arm at one look.

    Attributes:
        arm: its name.
        primary: the primary metric; secondary: the others, by name.
        futile_above: the primary metric less the smallest effect of interest; its upper bound below 0 rules it out.
        guards: see ``Guarded``.
        novelty: the effect on the CTR by part of the windows; fades: whether it surely becomes smaller.
        themes: theme -> its share of the shown items, in the control and in the arm.
    """

    arm: str
    primary: Estimate
    secondary: dict[Metric, Estimate]
    futile_above: Estimate | None
    guards: list[Guarded]
    novelty: list[Estimate]
    fades: bool
    themes: dict[int, tuple[float, float]]


def result_of(comparison: Comparison, levels: Levels) -> ArmResult:
    """What is known of an arm now."""
    expected, totals = levels.expected, [0, 0]
    for shown in comparison.themes.values():
        totals = [total + more for total, more in zip(totals, shown, strict=True)]
    return ArmResult(
        arm=comparison.arm,
        primary=comparison.primary.estimate(expected=expected, alpha=levels.primary),
        secondary={
            name: contrast.estimate(expected=expected, alpha=levels.secondary)
            for name, contrast in comparison.secondary.items()
        },
        futile_above=(
            comparison.least.estimate(expected=expected, alpha=levels.primary) if comparison.least is not None else None
        ),
        guards=[guard.judged(expected=expected, alpha=levels.guardrail) for guard in comparison.guards],
        novelty=comparison.novelty.estimates(expected=expected, alpha=levels.primary),
        fades=comparison.novelty.fades(expected=expected, alpha=levels.primary),
        themes={
            theme: (shown[0] / max(1, totals[0]), shown[1] / max(1, totals[1]))
            for theme, shown in sorted(comparison.themes.items())
        },
    )
