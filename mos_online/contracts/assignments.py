"""What A/B tests say in every answer: the arms of the user, and whether a place of the list was explored."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.fields import Count, Id

MAX_POOL = 200
"""Items of the largest pool of an exploration."""

ControlReason = Literal["rolled_back", "not_loaded", "control_not_loaded"]


class Assignment(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The arm of a user in an experiment, and the probability that a user of the experiment gets it."""

    experiment: Annotated[Id, Meta(description="The name of the experiment.")]
    version: Annotated[Count, Meta(description="The version of its split.")]
    arm: Annotated[Id, Meta(description="The arm of the user.")]
    probability: Annotated[
        Annotated[float, Meta(gt=0, le=1)], Meta(description="That a user of the experiment gets this arm.")
    ]
    control_because: Annotated[
        ControlReason | None,
        Meta(
            description='Why the control answered instead of the arm: the arm harmed and was taken back ("rolled_back")'
            ', or its model could not be loaded ("not_loaded"). If the model of the control could not be loaded either,'
            ' the champion answered as for users in no experiment ("control_not_loaded"). Left out if the arm answered.'
        ),
    ] = None


class Exploration(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A list one of whose places might hold a random candidate, so that other rankings can be estimated."""

    epsilon: Annotated[
        Annotated[float, Meta(gt=0, le=1)], Meta(description="The probability that a place of the list is explored.")
    ]
    slot: Annotated[Count | None, Meta(description="The place that was, counted from 0; null if none was.")]
    pool: Annotated[
        list[Id],
        Meta(
            max_length=MAX_POOL,
            description="The candidates, best first. Those of the length of the list would be shown if nothing was "
            "explored; the explored place holds one of the others, each with the same probability.",
        ),
    ]
