"""Messages of the topic ``outcomes``: what became of an answer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.assignments import Assignment, Exploration
from mos_online.contracts.decisions import MAX_ITEMS, Trigger
from mos_online.contracts.fields import Count, Id, Milliseconds, Name
from mos_online.contracts.recommendations import Fallback, RankedItem

ShownBy = Literal["impressions", "request", "nothing"]


class OutcomeItem(RankedItem, frozen=True, gc=False, kw_only=True):
    """One item of an answer, and what became of it."""

    position: Annotated[
        Count | None, Meta(description="Its place on the page, counted from 0; null if it was not shown.")
    ]
    clicks: Annotated[Count, Meta(description="Accepted clicks that count for it here.")]
    weight: Annotated[float, Meta(description="The sum of their weights in MOS_EVENT_TYPES.")]
    first_click_after: Annotated[
        int | None, Meta(description="How long after `timestamp` the first one came, in milliseconds; null if none.")
    ]


class Outcome(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An answer of the service with what was shown of it and clicked, when its window has closed. It is final."""

    request_id: Annotated[Id, Meta(description="The id of the answer; that of the decision.")]
    user_id: Id
    timestamp: Annotated[Milliseconds, Meta(description="The moment for which was recommended; milliseconds.")]
    window_end: Annotated[
        Milliseconds, Meta(description="Impressions and clicks from `timestamp` up to here count; milliseconds.")
    ]
    trigger: Annotated[Trigger, Meta(description="What the answer was made for.")]
    shown_by: Annotated[
        ShownBy,
        Meta(
            description='How we know what was shown: "impressions" say so; a "request" shows the whole answer if no '
            'impression says otherwise; "nothing": nobody has shown it, as far as we know.'
        ),
    ]
    items: Annotated[list[OutcomeItem], Meta(max_length=MAX_ITEMS, description="As in the decision: best first.")]
    clicks_by_request: Annotated[Count, Meta(description="Of the clicks, those that name this answer.")]
    clicks_by_item: Annotated[
        Count, Meta(description="Of the clicks, those that are here because the user clicked a shown item.")
    ]
    candidates: Annotated[Count, Meta(description="How many items could be recommended.")]
    model_version: Annotated[Name, Meta(description="The model that answered.")]
    router_version: Annotated[Name, Meta(description="The router that gave the themes.")]
    fallback: Annotated[Fallback | None, Meta(description="As in the decision.")]
    score_level: Annotated[float | None, Meta(description="As in the decision.")] = None
    fast_version: Annotated[Name | None, Meta(description="As in the decision.")] = None
    latency_ms: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="As in the decision.")] = None
    assignments: Annotated[list[Assignment], Meta(description="As in the decision.")] = []
    exploration: Annotated[Exploration | None, Meta(description="As in the decision.")] = None
