"""Messages of the topic ``sessions``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.clicks import SessionEvent
from mos_online.contracts.fields import Count, Id, Milliseconds, SessionId
from mos_online.errors import ContractError

CloseReason = Literal["gap", "end_event", "max_events", "max_duration"]


class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A closed session: a maximal run of one user's events. It is final."""

    session_id: Annotated[
        SessionId, Meta(description="A function of the user and the first event, so a replayed log gives the same ids.")
    ]
    user_id: Id
    started_at: Annotated[Milliseconds, Meta(description="The time of the first event.")]
    ended_at: Annotated[Milliseconds, Meta(description="The time of the last event.")]
    events: Annotated[
        list[SessionEvent], Meta(min_length=1, description="In order of `timestamp` and, among equals, of `event_id`.")
    ]
    close_reason: Annotated[
        CloseReason,
        Meta(description="Why it closed: a pause, an end event, the most events, or the longest duration."),
    ]
    watermark: Annotated[
        Milliseconds,
        Meta(
            description="The lowest watermark at which no event could change the session any more. A user's sessions "
            "are published in the order of `watermark` and, among equals, of `session_id`."
        ),
    ]
    revision: Annotated[
        Count,
        Meta(description="The value of MOS_SESSION_REVISION. Raise it to sessionize a log again by other rules."),
    ] = 1


def check_session(session: Session) -> None:
    """Check that the parts of a session fit together, which the types of its fields do not say.

    Raises:
        ContractError: the events are not in order, are not between ``started_at`` and ``ended_at``, or the session
            was closed before it had ended ("invalid").
    """
    events = session.events
    if (events[0].timestamp, events[-1].timestamp) != (session.started_at, session.ended_at):
        raise ContractError("invalid", "started_at and ended_at are not the times of the first and the last event")
    last = session.started_at
    for event in events:
        if event.timestamp < last:
            raise ContractError("invalid", "the events are not in the order of their timestamps")
        last = event.timestamp
    if session.watermark <= session.ended_at:
        raise ContractError("invalid", f"watermark {session.watermark} is not after ended_at {session.ended_at}")


def actions_of(session: Session) -> list[SessionEvent]:
    """The events in which the user did something: all but an end event, which is the last one and no action."""
    return session.events[:-1] if session.close_reason == "end_event" else session.events
