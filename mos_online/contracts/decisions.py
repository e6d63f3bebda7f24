"""Messages of the topic ``decisions``: what the service has answered."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.assignments import Assignment, Exploration
from mos_online.contracts.fields import Count, Id, Milliseconds, Name
from mos_online.contracts.recommendations import Fallback, RankedItem

MAX_ITEMS = 100
"""Items of the longest answer."""

Trigger = Literal["request", "session_closed", "test"]
"""What an answer was made for. Only that to a "request" counts as shown where no impression says so."""


class Decision(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An answer of the service. It says what could be shown, not that it was.

    The service writes one for each answer and waits for none: while Kafka is away, some may be missing.
    """

    request_id: Annotated[Id, Meta(description="The id of the answer. Of two with one id, the first counts.")]
    user_id: Id
    timestamp: Annotated[
        Milliseconds,
        Meta(description="The moment for which was recommended: that of the request, or when it came; milliseconds."),
    ]
    trigger: Annotated[
        Trigger,
        Meta(
            description='What the answer was made for: a "request" of somebody who shows it, a session that has '
            'closed ("session_closed"), or a "test", whose answer nobody sees.'
        ),
    ]
    items: Annotated[list[RankedItem], Meta(max_length=MAX_ITEMS, description="Best first.")]
    candidates: Annotated[
        Count, Meta(description="How many items could be recommended then, those that the request excludes included.")
    ]
    model_version: Annotated[Name, Meta(description="The model that answered.")]
    router_version: Annotated[Name, Meta(description="The router that gave the themes.")]
    fallback: Annotated[
        Fallback | None,
        Meta(description="What was used instead of the model with the profile, and why; null if nothing was."),
    ]
    popularity_as_of: Annotated[
        Milliseconds,
        Meta(description="Newest event time of the clicks that the popularity of the items had counted; 0 if none."),
    ] = 0
    co_clicks_as_of: Annotated[Milliseconds, Meta(description="The same of the co-clicks.")] = 0
    score_level: Annotated[
        float | None,
        Meta(
            description="`score` minus this is the logarithm of the model's chance that, of all candidates, "
            "the item is the next one to be clicked; null if the model did not rank."
        ),
    ] = None
    fast_version: Annotated[
        Name | None, Meta(description="The fast weights that gave `p_click`; null if there were none.")
    ] = None
    latency_ms: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="How long the answer took inside the service, waiting included, in milliseconds; null if that "
            "is not known. While an experiment runs, the time in which models and routers of other arms answered is "
            "not in it."
        ),
    ] = None
    assignments: Annotated[
        list[Assignment], Meta(description="The user's arm in each experiment that the user is in.")
    ] = []
    exploration: Annotated[
        Exploration | None, Meta(description="How the list was explored; null if it could not be.")
    ] = None
