"""Messages of the topic ``sessions``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from mos_online.contracts.clicks import SessionEvent
from mos_online.contracts.fields import Milliseconds

CloseReason = Literal["gap", "end_event", "max_events", "max_duration"]


class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A closed session: a maximal run of one user's events, in order of (timestamp, event_id). It is final.

    ``session_id`` is a function of its content (user and first event), so a replayed log gives the same ids.
    ``watermark`` is the event time at which nothing could change it any more; of one user's sessions, those published
    later have a higher (watermark, session_id). ``revision`` grows when the log is sessionized anew under other rules.
    """

    session_id: str
    user_id: str
    started_at: Milliseconds
    ended_at: Milliseconds
    events: Annotated[list[SessionEvent], msgspec.Meta(min_length=1)]
    close_reason: CloseReason
    watermark: Milliseconds
    revision: int = 1
