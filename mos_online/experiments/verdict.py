"""What follows from what is known of an arm: one word, and one sentence why."""

from __future__ import annotations

from typing import Literal

import msgspec

from mos_online.experiments.arm_result import ArmResult
from mos_online.experiments.contrast import Estimate
from mos_online.experiments.plan import ExperimentPlan, milliseconds

Word = Literal["keep running", "ship", "harm", "futile", "sample ratio mismatch", "ended"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What follows, and why, for people."""

    word: Word
    why: str


def mismatch(evidence: float, allowed: float) -> Verdict:
    """Nothing that the experiment has found can be trusted; both as natural logarithms of e-values."""
    return Verdict(
        word="sample ratio mismatch",
        why=f"the arms do not have the users that were planned (evidence e^{evidence:.1f}, allowed e^{allowed:.1f}), "
        "so all results are hidden: find out where users of an arm are lost, and start a new version",
    )


def verdict_of(plan: ExperimentPlan, result: ArmResult, *, elapsed: int, over: bool) -> Verdict:
    """What follows for one arm at this look.

    Args:
        plan: of the experiment.
        result: what is known of the arm.
        elapsed: event time (ms) since the first exposure.
        over: whether the longest duration is over and all users are finished.
    """
    primary, name = result.primary, plan.primary
    users = f"after {primary.users:,} finished users"
    breached = next((guard for guard in result.guards if guard.breached), None)
    if breached is not None:
        return Verdict(
            word="harm",
            why=f"{breached.named} is {breached.treated:.4g}, and {breached.control:.4g} in the control: worse "
            f"than the margin of {breached.margin:.0%} allows, after {breached.users:,} users",
        )
    if primary.high is not None and primary.high < 0:
        return Verdict(word="harm", why=f"{name} is worse by {relative(primary)}, {users}")
    if primary.low is not None and primary.low > 0:
        return _better(plan, result, elapsed=elapsed, over=over)
    least = result.futile_above
    if least is not None and least.high is not None and least.high < 0:
        return Verdict(
            word="futile",
            why=f"an effect of {plan.smallest_effect:.1%} on {name}, the smallest of interest, is ruled out {users}",
        )
    return _undecided(plan, result, over=over)


def _undecided(plan: ExperimentPlan, result: ArmResult, *, over: bool) -> Verdict:
    primary = result.primary
    users = f"after {primary.users:,} finished users"
    yet = "" if over else " yet"
    if primary.low is None:
        found = f"nothing is known of {plan.primary}{yet}, {users}: {waits(primary.missing, plan.control, result.arm)}"
    else:
        found = f"{plan.primary} shows no difference{yet}, {users}"
    return (
        Verdict(word="ended", why=f"{plan.maximum} are over; {found}")
        if over
        else Verdict(word="keep running", why=found)
    )


def _better(plan: ExperimentPlan, result: ArmResult, *, elapsed: int, over: bool) -> Verdict:
    primary = result.primary
    found = f"{plan.primary} is better by {relative(primary)}, after {primary.users:,} finished users"
    if result.fades:
        word: Word = "ended" if over else "keep running"
        return Verdict(word=word, why=f"{found}, but the effect fades while users get used to the arm")
    if elapsed < milliseconds(plan.minimum):
        return Verdict(word="keep running", why=f"{found}, but the shortest duration of {plan.minimum} is not over")
    return Verdict(word="ship", why=f"{found}, and no guardrail is breached")


def waits(missing: tuple[int, int], control: str, arm: str) -> str:
    """What the first look waits for; see ``Estimate.missing``.

    >>> waits((0, 40), "frozen", "online")
    'about 40 more finished users of online are needed'
    >>> waits((0, 0), "frozen", "online")
    'the users are all alike so far'
    """
    found = [
        f"{count:,} more finished users of {name}" for count, name in zip(missing, (control, arm), strict=True) if count
    ]
    return f"about {' and '.join(found)} are needed" if found else "the users are all alike so far"


def relative(estimate: Estimate) -> str:
    """The difference with its bounds, relative to the control if that is not 0."""
    low, high = estimate.low, estimate.high
    by = abs(estimate.control)
    if by == 0:
        bounds = "" if low is None or high is None else f" [{low:+.4g}, {high:+.4g}]"
        return f"{estimate.difference:+.4g}{bounds}"
    bounds = "" if low is None or high is None else f" [{low / by:+.1%}, {high / by:+.1%}]"
    return f"{estimate.difference / by:+.1%}{bounds}"
