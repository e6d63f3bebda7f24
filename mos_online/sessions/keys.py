"""Which events may share a session at all."""

from __future__ import annotations

from mos_online.contracts import Click
from mos_online.sessions.config import SessionConfig


def window_key(click: Click, config: SessionConfig) -> str:
    """The key of a click's window: events with different keys never share a session."""
    return publisher_key(click.user_id, click.session_id) if config.publisher_ids else click.user_id


def publisher_key(user_id: str, session_id: str | None) -> str:
    """Names a user's session of the publisher without ambiguity, whatever characters the ids have."""
    return f"{len(user_id)}:{user_id}{session_id or ''}"
