"""What is told of experiments on ``learning-events``."""

from __future__ import annotations

from hashlib import blake2b
from math import isfinite

from mos_online.contracts import LearningEvent
from mos_online.contracts.learning_events import LearningKind
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.verdict import Verdict, Word

KINDS: dict[Word, LearningKind] = {"harm": "rolled_back", "sample ratio mismatch": "alarm"}
"""Others are told as ``judged``."""


def event_of(result: ExperimentResult, arm: str, verdict: Verdict) -> LearningEvent:
    """The word for an arm has changed."""
    plan = result.plan
    version = f"{plan.name}/{plan.version}"
    name = f"{version}\0{arm}\0{verdict.word}\0{result.event_time}"
    numbers = {f"exposed_{name}": float(users.exposed) for name, users in result.users.items()}
    numbers |= {f"finished_{name}": float(users.finished) for name, users in result.users.items()}
    for one in result.arms:
        if one.arm == arm:
            found = {"difference": one.primary.difference, "low": one.primary.low, "high": one.primary.high}
            numbers |= {key: value for key, value in found.items() if value is not None and isfinite(value)}
    return LearningEvent(
        event_id=blake2b(name.encode(), digest_size=12).hexdigest(),
        timestamp=max(0, result.event_time),
        kind=KINDS.get(verdict.word, "judged"),
        part="experiment",
        arm=arm,
        version=version,
        signal=verdict.word,
        reason=verdict.why,
        numbers=numbers,
    )
