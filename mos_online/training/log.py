"""A log of closed sessions as arrays: what training examples are cut from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mos_online.backfill import SessionRouter
from mos_online.contracts import SESSION_END, Session

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class EventLog:
    """E events in S sessions, ordered by user, then session, then time, without session ends.

    Attributes:
        users: ids of the users, by their number.
        items: ids of the items, by their number.
        user, item, timestamp, session: int64 (E,); sessions are numbered in order.
        session_user: int64 (S,), the user of each session.
        theme: int64 (S,), the theme that the router gave each session.
        cosines: float64 (S, K), of each session to the prototypes.
    """

    users: list[str]
    items: list[str]
    user: Ints
    item: Ints
    timestamp: Ints
    session: Ints
    session_user: Ints
    theme: Ints
    cosines: NDArray[np.float64]


def event_log(sessions: Iterable[Session], router: SessionRouter, *, themes: int) -> EventLog:
    """Lay out sessions as arrays, and route them.

    Args:
        sessions: grouped by user, each user's in order of their end; see `mos_online.backfill.past_sessions`.
        router: gives each session its theme.
        themes: K.
    """
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    user: list[int] = []
    item: list[int] = []
    timestamp: list[int] = []
    session: list[int] = []
    session_user: list[int] = []
    theme: list[int] = []
    cosines: list[list[float]] = []
    for number, closed in enumerate(sessions):
        who = users.setdefault(closed.user_id, len(users))
        for event in closed.events:
            if event.event_type != SESSION_END:
                user.append(who)
                item.append(items.setdefault(event.item_id, len(items)))
                timestamp.append(event.timestamp)
                session.append(number)
        session_user.append(who)
        routed = router.route(closed)
        theme.append(routed.theme)
        cosines.append(routed.weights)
    return EventLog(
        users=list(users),
        items=list(items),
        user=np.array(user, np.int64),
        item=np.array(item, np.int64),
        timestamp=np.array(timestamp, np.int64),
        session=np.array(session, np.int64),
        session_user=np.array(session_user, np.int64),
        theme=np.array(theme, np.int64),
        cosines=np.array(cosines, np.float64).reshape(len(cosines), themes),
    )
