"""Messages of the topic ``clicks``: a click, an envelope of clicks, or a heartbeat."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mos_online.contracts.fields import Id, Milliseconds, Scalar

SESSION_END = "session_end"
"""The ``event_type`` that closes the session it belongs to."""


class SessionEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One event inside a message that already names its user (an envelope or a session)."""

    event_id: Id
    item_id: Id
    timestamp: Milliseconds
    event_type: Id = "click"
    session_id: str | None = None
    context: dict[str, Scalar] | None = None


class Click(SessionEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A user did something with an item.

    ``event_id`` makes redelivery harmless. ``event_type`` is free, apart from ``session_end`` (a logout, say),
    which closes the session it belongs to. ``session_id`` is the publisher's own. ``context`` may carry
    ``category``, by which an item that the model has never seen is routed.
    """

    user_id: Id


class ClickEnvelope(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Several clicks of one user in one Kafka message; cheaper for every reader than one message each."""

    user_id: Id
    clicks: Annotated[list[SessionEvent], msgspec.Meta(min_length=1, max_length=1000)]


class Heartbeat(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The producer's promise that this partition carries nothing older than ``heartbeat`` (ms) from here on.

    A heartbeat advances event time where no clicks flow: at the end of a replay, or in a quiet partition.
    """

    heartbeat: Milliseconds
