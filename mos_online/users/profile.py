"""What is remembered of a user: rings of raw events, updated once per closed session.

Raw events and not encoder states, so any backbone can read them, new weights leave them valid, and the batch model
(which truncates to the same lengths) sees by construction what the stream sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mos_online.contracts import SESSION_END, Session
from mos_online.errors import SettingsError

UNROUTED = 0
"""Theme of sessions and items that fit no prototype; real themes are 1..K."""


@dataclass(frozen=True, kw_only=True)
class RingSizes:
    """How many events a profile keeps.

    Attributes:
        recent: over all sessions; the global expert reads them, the short-term expert their tail.
        theme: per theme; the theme expert reads them.
    """

    recent: int = 50
    theme: int = 20

    def __post_init__(self) -> None:
        if self.recent < 1 or self.theme < 1:
            raise SettingsError(f"ring sizes must be at least 1, got recent={self.recent}, theme={self.theme}")


class Ring(msgspec.Struct, frozen=True, gc=False):
    """The last events of something, oldest first; ``timestamps`` in ms."""

    item_ids: list[str] = []
    timestamps: list[int] = []

    def extended(self, item_ids: list[str], timestamps: list[int], size: int) -> Ring:
        """This ring with events appended and cut to its last ``size``."""
        return Ring((self.item_ids + item_ids)[-size:], (self.timestamps + timestamps)[-size:])


class UserProfile(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """State of one user after their last closed session.

    Attributes:
        router_version: the router that assigned the sessions; theme ids mean nothing under another.
        recent: last events of all closed sessions.
        themes: theme (1..K) -> last events of the sessions routed there.
        theme_sessions: theme (0 = unrouted) -> how many sessions were routed there.
        sessions: closed sessions ever.
        last_ended_at: time of the newest event (ms), -1 before the first session.
        last_closed_at, last_session_id: the last session's watermark and id, the high-water mark: sessions close in
            this order, so one that is not above it was applied before and changes nothing.
        embedding: unit mean of the last session's routing vectors, length d_r.
        theme_weights: its cosines to the K prototypes.
    """

    user_id: str
    router_version: str
    recent: Ring = Ring()
    themes: dict[int, Ring] = {}
    theme_sessions: dict[int, int] = {}
    sessions: int = 0
    last_ended_at: int = -1
    last_closed_at: int = -1
    last_session_id: str = ""
    embedding: list[float] = []
    theme_weights: list[float] = []


class Routed(msgspec.Struct, frozen=True, gc=False):
    """A session's place among the themes; see ``mos_online.themes.Router.route``."""

    theme: int
    embedding: list[float]
    weights: list[float]


def apply_session(profile: UserProfile, session: Session, routed: Routed, sizes: RingSizes) -> UserProfile:
    """The profile after ``session``; the same profile if the session is not newer than its last one.

    >>> from mos_online.contracts import SessionEvent
    >>> event = SessionEvent(event_id="e", item_id="i", timestamp=7)
    >>> s = Session(session_id="u:7:e", user_id="u", started_at=7, ended_at=7, events=[event], close_reason="gap",
    ...             watermark=9)
    >>> p = apply_session(UserProfile(user_id="u", router_version="r1"), s, Routed(2, [1.0], [0.1, 0.9]), RingSizes())
    >>> p.recent.item_ids, p.themes[2].item_ids, p.theme_sessions
    (['i'], ['i'], {2: 1})
    >>> apply_session(p, s, Routed(2, [1.0], [0.1, 0.9]), RingSizes()) is p
    True
    """
    if (session.watermark, session.session_id) <= (profile.last_closed_at, profile.last_session_id):
        return profile
    acted = [event for event in session.events if event.event_type != SESSION_END]
    items = [event.item_id for event in acted]
    times = [event.timestamp for event in acted]
    themes = profile.themes
    if routed.theme != UNROUTED:
        ring = themes.get(routed.theme, Ring())
        themes = themes | {routed.theme: ring.extended(items, times, sizes.theme)}
    counts = profile.theme_sessions
    return UserProfile(
        user_id=profile.user_id,
        router_version=profile.router_version,
        recent=profile.recent.extended(items, times, sizes.recent),
        themes=themes,
        theme_sessions=counts | {routed.theme: counts.get(routed.theme, 0) + 1},
        sessions=profile.sessions + 1,
        last_ended_at=max(session.ended_at, profile.last_ended_at),
        last_closed_at=session.watermark,
        last_session_id=session.session_id,
        embedding=routed.embedding,
        theme_weights=routed.weights,
    )
