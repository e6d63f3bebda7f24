"""The report of experiments: one page of HTML that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mos_cli.demo.page import environment
from mos_cli.experiments import plots
from mos_cli.utc import utc_text
from mos_online.experiments import guards, metrics
from mos_online.experiments.arm_result import ArmResult
from mos_online.experiments.contrast import Estimate
from mos_online.experiments.guards import Guarded
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.verdict import waits

LIMITS = (
    "Users count once, when their window has closed: those whose window is open are not in any number.",
    "An interval holds for all looks together if users do not influence each other and the arms have their planned "
    "probabilities. It is asymptotic, so nothing is said before 400 users, or later if an arm is rare and outcomes are "
    "skewed.",
    "The values of the arms are as they were. The difference is adjusted for what users did before, so it need not be "
    "exactly the difference of the values.",
    "The naive interval is shown to compare. Whoever looks at it often will be wrong more often than it says.",
    "A guardrail that is not breached was not shown to hold: the bound says what is known.",
    "What an arm is worth after the window, or for users who were not in the experiment, is not known.",
)
"""What the numbers do not say."""


def render(results: Sequence[ExperimentResult]) -> str:
    """The page.

    Args:
        results: in the order in which they are shown.
    """
    template = environment("mos_cli.experiments", "mos_cli.demo").get_template("experiments.html.jinja")
    return template.render(experiments=[_facts(result) for result in results], limits=LIMITS)


def _facts(result: ExperimentResult) -> dict[str, Any]:
    """What the template shows of one experiment."""
    plan, split = result.plan, plots.split(result)
    begun = f"first exposure {utc_text(result.begun_at)} UTC, " if result.begun_at >= 0 else "nobody is exposed yet, "
    known = f"known up to {utc_text(result.event_time)} UTC" if result.event_time >= 0 else "nothing is known yet"
    return {
        "name": plan.name,
        "version": plan.version,
        "state": f"stopped: {result.stopped}" if result.stopped else "over" if result.over else "in force",
        "when": begun + known,
        "verdicts": [(arm, verdict.word, verdict.why) for arm, verdict in result.verdicts.items()],
        "users": [
            (arm, f"{one.planned:.1%}", f"{one.exposed:,}", f"{one.finished:,}") for arm, one in result.users.items()
        ],
        "evidence": f"ln of the e-value {max(result.evidence, -99.0):.1f}; alarm from {result.allowed:.1f} on",
        "left_out": result.left_out,
        "split": split,
        "arms": [_arm(result, arm) for arm in result.arms],
        "control": plan.control,
    }


def _arm(result: ExperimentResult, arm: ArmResult) -> dict[str, Any]:
    plan = result.plan
    found = {plan.primary: arm.primary, **arm.secondary}
    figures = [plots.over_time(result, arm.arm), plots.novelty(result, arm), plots.themes(result, arm)]
    return {
        "name": arm.arm,
        "metrics": [
            (
                name,
                "primary" if name == plan.primary else "secondary",
                metrics.MEANINGS[name],
                *_estimate(result, arm, one),
            )
            for name, one in found.items()
        ],
        "guards": [_guard(result, arm, guard) for guard in arm.guards],
        "fades": arm.fades,
        "figures": [figure for figure in figures if figure],
    }


def _estimate(result: ExperimentResult, arm: ArmResult, one: Estimate) -> tuple[str, ...]:
    """Values of both arms, difference, relative difference, interval, naive interval, users, and alpha."""
    return (
        f"{one.control:.4g}",
        f"{one.treated:.4g}",
        f"{one.difference:+.4g}",
        f"{one.difference / abs(one.control):+.1%}" if one.control else "",
        _bounds(one.low, one.high) if one.low is not None else _waits(result, arm, one.missing),
        _bounds(one.naive_low, one.naive_high),
        f"{one.users:,}",
        f"{one.alpha:.2%}",
    )


def _guard(result: ExperimentResult, arm: ArmResult, guard: Guarded) -> tuple[str, ...]:
    bound = "not known yet" if guard.bound is None else f"{guard.bound:+.4g}"
    if any(guard.missing):
        bound = _waits(result, arm, guard.missing)
    word = "breached" if guard.breached else "not\N{NO-BREAK SPACE}breached"
    values = (f"{guard.control:.4g}", f"{guard.treated:.4g}", f"{guard.margin:.0%}", bound, f"{guard.users:,}", word)
    return (guard.named, guards.MEANINGS[guard.metric], *values)


def _waits(result: ExperimentResult, arm: ArmResult, missing: tuple[int, int]) -> str:
    return f"not known yet: {waits(missing, result.plan.control, arm.arm)}"


def _bounds(low: float | None, high: float | None) -> str:
    return "not known yet" if low is None or high is None else f"[{low:+.4g},\N{NO-BREAK SPACE}{high:+.4g}]"
