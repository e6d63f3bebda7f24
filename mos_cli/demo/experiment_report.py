"""The demo's experiment in the report: users of each arm, the difference, the split, and what all that says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mos_cli.demo.experiment import FILE, NAME, Experiment
from mos_cli.utc import utc_text
from mos_online.experiments.contrast import Estimate
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.verdict import relative, waits

PAGE = "experiments.html"
"""Beside the demo's page: what ``mos experiments report`` writes."""

WRONG = ("unknown_arm", "contradicted", "another_arm")
"""Reasons for which answers are left out of an experiment that nothing but a fault can give."""

LIMITS = (
    "Users of a log click what they clicked, whatever was shown: a list cannot win a click that did not happen.",
    "A replay of minutes has few users, so only a large difference could be seen. What an arm is worth after the "
    "window, or for other users, is not known.",
)
"""What the demo's experiment cannot say."""


def experiment_report(found: Experiment) -> dict[str, Any]:
    """The key ``experiment`` of the report."""
    result = found.result
    if result is None:
        return {"name": NAME, "file": FILE, "page": None, "users": {}, "says": list(_says(found))}
    plan, primary = result.plan, result.arms[0].primary if result.arms else None
    known = primary is not None and primary.low is not None
    return {
        "name": plan.name,
        "file": FILE,
        "page": PAGE,
        "control": plan.control,
        "arm": _arm(result),
        "window": plan.window,
        "known_to": utc_text(result.event_time) if result.event_time >= 0 else None,
        "users": msgspec.to_builtins(result.users),
        "metric": plan.primary,
        "difference": msgspec.to_builtins(primary),
        "relative": relative(primary) if primary is not None and known else None,
        "sample_ratio": {"as_planned": _as_planned(result), "evidence": result.evidence, "allowed": result.allowed},
        "left_out": result.left_out,
        "revisions": found.revisions,
        "verdict": msgspec.to_builtins(result.verdicts.get(_arm(result))),
        "says": list(_says(found)),
    }


def experiment_faults(found: Experiment) -> Iterator[str]:
    """What was lost or wrong, in words."""
    result = found.result
    if found.misplaced:
        yield f"{found.misplaced} of {found.users} users were answered in another arm than the experiment says"
    if found.due and (result is None or result.begun_at < 0):
        yield f"the experiment has counted none of {found.users} users who were answered"
    if result is None:
        return
    if not _as_planned(result):
        yield "the arms of the experiment do not have the users that were planned"
    for why in WRONG:
        if result.left_out.get(why):
            yield f"{result.left_out[why]} answers were left out of the experiment: {why}"


def _as_planned(result: ExperimentResult) -> bool:
    return result.evidence < result.allowed


def _arm(result: ExperimentResult) -> str:
    """The arm that is compared with the control; there is one."""
    return next(one.name for one in result.plan.arms if one.name != result.plan.control)


def _says(found: Experiment) -> Iterator[str]:
    """What the numbers say, and what they do not."""
    result = found.result
    if result is None or result.begun_at < 0:
        yield "Nobody was counted: a user counts when the windows after the first answer are over, in event time."
        return
    exposed, finished = (sum(getattr(one, name) for one in result.users.values()) for name in ("exposed", "finished"))
    yield (
        f"{finished:,} of {exposed:,} users are counted, each once: when {result.plan.window} of event time after the "
        "first answer were over. The window was chosen from the length of the replay, so that most users are."
    )
    yield _of_router(_arm(result), found.revisions)
    if _as_planned(result):
        yield _of_difference(result.arms[0].primary, _arm(result), result.plan.control)
        yield "Both arms have the users that were planned."
    else:
        yield "The arms do not have the users that were planned, so the difference is hidden."
    yield from LIMITS


def _of_router(arm: str, revisions: int) -> str:
    if not revisions:
        return f"The router of {arm} was not revised: its users were too few, so both arms were answered alike."
    times = "once" if revisions == 1 else f"{revisions} times"
    return f"The router of {arm} was revised {times}, from the sessions of its own users."


def _of_difference(one: Estimate, arm: str, control: str) -> str:
    if one.low is None or one.high is None:
        needed = waits(one.missing, control, arm)
        return f"{one.users:,} counted users say nothing of the difference yet: {needed}."
    if not one.control:
        found = f"{arm} gets more clicks than {control}" if one.low > 0 else "No difference was found"
        return f"{found}. No counted user of {control} has clicked, so there is no difference in percent."
    low, high = one.low / one.control, one.high / one.control
    bounds = f"between {low:+.1%} and {high:+.1%} of the clicks per shown item of {control}"
    if one.low <= 0 <= one.high:
        return f"No difference was found. The true one lies {bounds}, with a probability of 95 %."
    word = "more" if one.low > 0 else "fewer"
    return f"{arm} gets {word} clicks than {control}. The true difference lies {bounds}, with a probability of 95 %."
