"""What is remembered of a user: whole closed sessions of raw events, and one router's view of them as a cache.

Raw events and not encoder states, so any backbone can read them, new weights leave them valid, and the batch model
(which truncates to the same lengths) sees by construction what the stream sees. Whole sessions, so any router can
route them: a new router version needs no other state.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec


class UserProfile(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """State of one user after their last closed session.

    The first four lists are what any router can be applied to. From ``router_epoch`` on it is what the router of
    the last update made of it; one of another epoch makes its own, see ``mos_online.users.view``.

    Attributes:
        item_ids, timestamps, categories: of every kept event, the sessions in the order in which they closed, the
            events of a session from its first to its last; ms, and None where the event named no category.
        session_lengths: events of each kept session, all at least 1.
        session_keys, session_closes: ``session_key`` of the id of each kept session, and its watermark (ms). They
            tell which sessions two profiles of the user have in common, and in which order they closed.
        session_count: closed sessions ever.
        last_ended_at: time of the newest event (ms), -1 before the first session.
        last_closed_at, last_session_id: the last session's watermark and id, the high-water mark: sessions close in
            this order, so one that is not above it was applied before and changes nothing.
        router_epoch: the epoch of the router of the last update; "" before the first.
        session_themes: theme of each kept session (0 = unrouted).
        theme_sessions: theme -> how many sessions were routed there. After a change of the epoch it begins again
            with the sessions that were kept.
        embedding: unit mean of the last session's routing vectors, length d_r.
        theme_weights: its cosines to the K prototypes.
    """

    user_id: str
    item_ids: list[str] = []
    timestamps: list[int] = []
    categories: list[str | None] = []
    session_lengths: list[int] = []
    session_keys: list[int] = []
    session_closes: list[int] = []
    session_count: int = 0
    last_ended_at: int = -1
    last_closed_at: int = -1
    last_session_id: str = ""
    router_epoch: str = ""
    session_themes: list[int] = []
    theme_sessions: dict[int, int] = {}
    embedding: list[float] = []
    theme_weights: list[float] = []


def session_key(session_id: str) -> int:
    """A hash of a session's id, a signed number of 64 bits: a profile has hundreds of them, and ids are long.

    >>> session_key("u:5:e") == session_key("u:5:e") != session_key("u:5:f")
    True
    """
    return int.from_bytes(blake2b(session_id.encode(), digest_size=8).digest(), "big", signed=True)
