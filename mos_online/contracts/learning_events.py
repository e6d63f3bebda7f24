"""Messages of the topic ``learning-events``: what was noticed while learning, what was decided, and why."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.fields import Count, Id, Milliseconds, Name

LearningKind = Literal["alarm", "refused", "promoted", "rolled_back", "judged"]
LearningPart = Literal["router", "fast_weights", "model", "experiment"]
LearningAction = Literal["router", "router-fit", "fast-weights", "fine-tune", "stop"]


class LearningEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something that an operator wants to know of what the system has learned.

    The key of the record is the arm. The topic may have an event twice; it then has one id.
    """

    event_id: Annotated[Id, Meta(description="Made from the content: what was learned again has the id of before.")]
    timestamp: Annotated[Milliseconds, Meta(description="The event time that learning had come to; milliseconds.")]
    kind: Annotated[
        LearningKind,
        Meta(
            description="What happened: a detector has found a drift, or a fixed limit was passed (`alarm`); a gate "
            "has kept the old version (`refused`); a new version serves (`promoted`), or an earlier one again "
            "(`rolled_back`); another word holds for the arm of an experiment (`judged`)."
        ),
    ]
    part: Annotated[LearningPart, Meta(description="What it is about.")]
    arm: Annotated[Name, Meta(description="The arm of the experiment; `champion` where there is none.")]
    version: Annotated[
        Name | None,
        Meta(
            description="The version that was refused, promoted or rolled back to; of an experiment its name and "
            "version; null for another alarm."
        ),
    ] = None
    signal: Annotated[
        Name | None,
        Meta(description="What the detector watches, or the word for the arm of an experiment; else null."),
    ] = None
    theme: Annotated[Count | None, Meta(description="The theme that the alarm is about; null if it is about all.")] = (
        None
    )
    action: Annotated[LearningAction | None, Meta(description="What follows from the alarm; null if nothing does.")] = (
        None
    )
    reason: Annotated[str, Meta(description="What was found, what is allowed, and what follows, for people.")]
    numbers: Annotated[
        dict[str, float], Meta(description="What was measured, by name: such as `before` and `after` of an alarm.")
    ] = {}
