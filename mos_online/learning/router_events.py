"""What is told of revisions on ``learning-events``."""

from __future__ import annotations

import math
from hashlib import blake2b

from mos_online.contracts import LearningEvent
from mos_online.contracts.learning_events import LearningKind
from mos_online.themes.gate import Judgement
from mos_online.themes.router import Router

MEASURES = ("sessions", "moved", "least", "most", "spread", "unrouted", "gain", "gain_low", "gain_high")


def refused(arm: str, base: Router, revision: Router, judgement: Judgement, through: tuple[int, str]) -> LearningEvent:
    """The gate has kept the router in service."""
    return _event("refused", arm, base, revision, judgement, through, "; ".join(judgement.refused))


def promoted(arm: str, base: Router, revision: Router, judgement: Judgement, through: tuple[int, str]) -> LearningEvent:
    """A revision went into service."""
    reason = f"revision {revision.sequence} of {base.epoch}: {judgement.moved:.1%} of the sessions change their theme"
    return _event("promoted", arm, base, revision, judgement, through, reason)


def _event(
    kind: LearningKind,
    arm: str,
    base: Router,
    revision: Router,
    judgement: Judgement,
    through: tuple[int, str],
    reason: str,
) -> LearningEvent:
    name = f"{kind}\0{arm}\0{base.epoch}\0{revision.sequence}\0{revision.version}\0{through}"
    return LearningEvent(
        event_id=blake2b(name.encode(), digest_size=12).hexdigest(),
        timestamp=through[0],
        kind=kind,
        part="router",
        arm=arm,
        version=revision.version,
        reason=reason,
        numbers={name: value for name in MEASURES if math.isfinite(value := float(getattr(judgement, name)))},
    )
