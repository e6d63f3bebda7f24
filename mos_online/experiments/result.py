"""What an experiment has found so far, as it is published."""

from __future__ import annotations

import msgspec

from mos_online.experiments.arm_result import ArmResult
from mos_online.experiments.looks import Look
from mos_online.experiments.plan import ExperimentPlan
from mos_online.experiments.verdict import Verdict


class ArmUsers(msgspec.Struct, frozen=True, kw_only=True):
    """Users of an arm.

    Attributes:
        exposed: who got an answer that the arm could change; planned: their planned share.
        finished: of them, those whose window has closed.
    """

    exposed: int
    planned: float
    finished: int


class ExperimentResult(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment at one moment.

    Attributes:
        plan: what was planned.
        event_time: before which everything is known, ms.
        begun_at: time of the first exposure, ms; -1 if nobody is exposed yet.
        over: whether the longest duration is over and all users are finished.
        users: by arm.
        left_out: users and answers that do not count, by reason.
        evidence: natural logarithm of the e-value against the planned split, the largest so far; allowed: below this
            the split is taken as planned.
        verdicts: what follows, by arm without the control.
        arms: what is known of each arm; empty if a sample ratio mismatch hides it.
        looks: over time; empty as well then.
        stopped: why nobody is counted any more; None while the experiment is in force.
    """

    plan: ExperimentPlan
    event_time: int
    begun_at: int
    over: bool
    users: dict[str, ArmUsers]
    left_out: dict[str, int]
    evidence: float
    allowed: float
    verdicts: dict[str, Verdict]
    arms: list[ArmResult]
    looks: list[Look]
    stopped: str | None = None
