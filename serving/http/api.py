"""The HTTP contract: what a request may say and what an answer says.

msgspec and not pydantic: it validates while it parses (a request of five events in 1 µs), and its JSON Schemas are
the ones that ``serving.http.openapi`` publishes, so the document cannot drift from the check.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts import (
    Click,
    Event,
    EventTypes,
    Id,
    Impression,
    Milliseconds,
    RankedItem,
    ServedAnswer,
    SessionEvent,
    Trigger,
)
from mos_online.contracts.decisions import MAX_ITEMS
from mos_online.recommend.query import ThemeShare

MAX_EXCLUDED = 1000
MAX_EVENTS = 500
MAX_REQUESTS = 64


class RecommendEvent(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Something the user did in the session that is still open, so not yet in their profile.

    The fields and the rules of a click on the topic ``clicks``, without ``user_id``: numbers are accepted as ids, and
    unknown fields are ignored.
    """

    event_id: Annotated[Id | None, Meta(description="The event's own id; 1 to 256 characters; optional.")] = None


class RecommendRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Asks for items for one user at one moment."""

    user_id: Annotated[
        Id,
        Meta(
            description="The user; 1 to 256 characters. A user without a profile and without events gets popular items."
        ),
    ]
    k: Annotated[int, Meta(ge=1, le=MAX_ITEMS, description=f"How many items, 1 to {MAX_ITEMS}; 10 if left out.")] = 10
    exclude: Annotated[
        list[Id], Meta(max_length=MAX_EXCLUDED, description=f"Items not to recommend; at most {MAX_EXCLUDED} ids.")
    ] = []
    events: Annotated[
        list[RecommendEvent],
        Meta(max_length=MAX_EVENTS, description=f"Events of the open session; at most {MAX_EVENTS}, in any order."),
    ] = []
    timestamp: Annotated[
        Milliseconds | None,
        Meta(description="The moment to recommend for, in milliseconds since 1970 UTC; now if left out."),
    ] = None
    request_id: Annotated[
        Id | None, Meta(description="Your name for the answer, 1 to 256 characters; made up if left out.")
    ] = None
    trigger: Annotated[
        Trigger,
        Meta(
            description='What the answer is for. The answer to a "request", the default, counts as shown unless '
            'impressions say what was. That to a "test" or to "session_closed" does not. "session_closed" asks for the '
            "next session of the user, who comes back some time later."
        ),
    ] = "request"


class BatchRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Asks several requests in one call, which is cheaper for both sides than one call each."""

    requests: Annotated[
        list[RecommendRequest],
        Meta(min_length=1, max_length=MAX_REQUESTS, description=f"1 to {MAX_REQUESTS} requests."),
    ]


class Item(RankedItem, frozen=True, gc=False, kw_only=True):
    """A recommended item, with the words of its theme."""

    theme_label: str


class RecommendResponse(ServedAnswer, frozen=True, gc=False, kw_only=True):
    """Items, best first, with what is needed to explain and to trace them."""

    items: list[Item]
    themes: Annotated[list[ThemeShare], Meta(description="The user's themes, largest share first.")]


class BatchResponse(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answers, in the order of the requests."""

    responses: list[RecommendResponse]


class EventsRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Clicks and impressions, 1 to 500 together, as the topics of these names take them."""

    clicks: Annotated[list[Click], Meta(max_length=MAX_EVENTS, description="What users did.")] = []
    impressions: Annotated[
        list[Impression], Meta(max_length=MAX_EVENTS, description="What was displayed of answers.")
    ] = []


class EventsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Kafka has the events."""

    accepted: Annotated[int, Meta(description="How many clicks and impressions the call had.")]


class ThemeLabel(msgspec.Struct, frozen=True, kw_only=True):
    """A theme and its words."""

    theme: int
    label: str


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The model that is in service for users who are in no experiment."""

    model_version: str
    router_version: str
    router_epoch: Annotated[str, Meta(description="Routers of one epoch give theme ids the same meaning.")]
    router_sequence: Annotated[int, Meta(description="Number of the router's revision in its epoch; 0: none yet.")]
    mixing_clicks: Annotated[
        int,
        Meta(
            description="From so many clicks the replica has learned how much co-clicks and popularity count beside "
            "the model; 0: from none, they count as the training has found."
        ),
    ]
    loaded_at: Annotated[int, Meta(description="When it went into service, in milliseconds since 1970 UTC.")]
    experiments: Annotated[
        int, Meta(description="Number of the revision of the experiments in force; 0: there were none yet.")
    ]
    themes: list[ThemeLabel]


def session_events(events: Sequence[RecommendEvent], types: EventTypes) -> list[SessionEvent]:
    """Return the events as the model takes them: the actions, oldest first, with ids for those without."""
    return [
        SessionEvent(
            event_id=event.event_id or f"#{position}",
            item_id=event.item_id,
            timestamp=event.timestamp,
            event_type=event.event_type,
            session_id=event.session_id,
            request_id=event.request_id,
            context=event.context,
        )
        for position, event in sorted(enumerate(events), key=lambda pair: (pair[1].timestamp, pair[0]))
        if types[event.event_type].kind == "action"
    ]
