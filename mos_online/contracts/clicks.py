"""Messages of the topic ``clicks``: a click, an envelope of clicks, or a heartbeat."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts.fields import Context, Id, Milliseconds, Name

SESSION_END = "session_end"
"""The ``event_type`` that closes the session it belongs to, unless MOS_EVENT_TYPES says otherwise."""

MAX_CLICKS = 1000
"""Clicks of the longest envelope."""


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What is known of an event wherever it is reported: on the topic ``clicks`` and in a request over HTTP."""

    item_id: Annotated[Id, Meta(description="The item; 1 to 256 characters.")]
    timestamp: Annotated[
        Milliseconds, Meta(description="When it happened, in milliseconds since 1970 UTC; an integer.")
    ]
    event_type: Annotated[
        Id,
        Meta(description='What happened, 1 to 256 characters; "click" if left out. MOS_EVENT_TYPES gives the meaning.'),
    ] = "click"
    session_id: Annotated[
        Name | None, Meta(description="The publisher's own session id; at most 256 characters; optional.")
    ] = None
    request_id: Annotated[
        Id | None,
        Meta(description="The id of the recommendation that the event answers; 1 to 256 characters; optional."),
    ] = None
    context: Annotated[
        Context | None,
        Meta(
            description="Scalars (strings, numbers, booleans, null) and lists of scalars, by name; anything deeper is "
            "kept as its JSON text. "
            '"category" routes items that are new to the model.'
        ),
    ] = None


class SessionEvent(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One event inside a message that already names its user (an envelope or a session)."""

    event_id: Annotated[
        Id,
        Meta(
            description="The event's own id, unique among the user's events of the same timestamp. A second event with "
            "this id, timestamp and content in one session is ignored; with other content it is a dead letter."
        ),
    ]


class Click(SessionEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A user did something with an item.

    A number is accepted as an id and becomes text: 12 and 12.0 become "12". Unknown fields are ignored.
    """

    user_id: Annotated[Id, Meta(description="The user; 1 to 256 characters.")]


def without_user(click: Click) -> SessionEvent:
    """The click as an event of a message that names its user once.

    Written out, field by field: it runs for every click, and a loop over the fields takes five times as long.
    """
    return SessionEvent(
        event_id=click.event_id,
        item_id=click.item_id,
        timestamp=click.timestamp,
        event_type=click.event_type,
        session_id=click.session_id,
        request_id=click.request_id,
        context=click.context,
    )


def with_user(event: SessionEvent, user_id: str) -> Click:
    """The event as a click of this user: the opposite of ``without_user``."""
    return Click(
        user_id=user_id,
        event_id=event.event_id,
        item_id=event.item_id,
        timestamp=event.timestamp,
        event_type=event.event_type,
        session_id=event.session_id,
        request_id=event.request_id,
        context=event.context,
    )


def category_of(event: Event) -> str | None:
    """The item's category as the event's context names it; None where it does not, or not as text."""
    category = event.context.get("category") if event.context else None
    return category if isinstance(category, str) else None


class ClickEnvelope(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Several clicks of one user in one Kafka message. It is cheaper for every reader than one message per click."""

    user_id: Annotated[Id, Meta(description="The user; 1 to 256 characters.")]
    clicks: Annotated[
        list[SessionEvent], Meta(min_length=1, max_length=MAX_CLICKS, description=f"1 to {MAX_CLICKS} of them.")
    ]


class Heartbeat(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A promise of the producer: nothing older than ``heartbeat`` follows in this partition.

    A heartbeat advances event time where no clicks flow: at the end of a replay, or in a quiet partition.
    """

    heartbeat: Annotated[Milliseconds, Meta(description="Nothing older will come; milliseconds since 1970 UTC.")]
