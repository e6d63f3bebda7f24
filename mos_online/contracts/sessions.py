"""Messages of the topic ``sessions``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.clicks import SessionEvent
from mos_online.contracts.fields import Milliseconds

CloseReason = Literal["gap", "end_event", "max_events", "max_duration"]


class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A closed session: a maximal run of one user's events. It is final."""

    session_id: Annotated[
        str, Meta(description="A function of the user and the first event, so a replayed log gives the same ids.")
    ]
    user_id: str
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
        int,
        Meta(description="The value of MOS_SESSION_REVISION. Raise it to sessionize a log again by other rules."),
    ] = 1
