"""Messages of the topic ``session-embeddings``."""

from __future__ import annotations

import msgspec


class SessionEmbedding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the profiler made of a closed session, once the user's new state is readable in the online store.

    ``embedding`` is the unit mean of the session's routing vectors (length d_r; zeros when no item is known).
    ``theme`` is 0 when the session is unrouted, else 1..K. ``theme_weights`` are the cosines to the K prototypes.
    """

    session_id: str
    user_id: str
    ended_at: int
    embedding: list[float]
    theme: int
    theme_weights: list[float]
    router_version: str
