"""Where the next sessions of users begin, and when the sessions before them had closed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mos_online.arrays import Ints
from mos_online.training.click_log import ClickLog
from mos_online.training.moments import spread


class NextSessions(NamedTuple):
    """First clicks of sessions that follow another one of the same user.

    Attributes:
        positions: int64 (p,), of the ``ClickLog``.
        asked: int64 (p,), when the session before had closed (ms), ascending: a list for the next one is made then.
    """

    positions: Ints
    asked: Ints

    def spread(self, size: int, most: int) -> NextSessions:
        """About ``most`` of them, evenly spread; see ``moments.spread``."""
        chosen = spread(np.arange(len(self.positions)), size, most)
        return NextSessions(self.positions[chosen], self.asked[chosen])


def next_sessions(log: ClickLog, *, gap_ms: int, begin: int, end: int) -> NextSessions:
    """Find those of which both happen in a span of time: the close of one session, and the first click of the next.

    A session closes in the first half of the span, and the next one begins within so long: so all users have had the
    same time to come back. A session is taken to close by silence. If the next one begins before that, as it may where
    the publisher cuts them, or at their limits, it is left out.

    Args:
        log: all clicks.
        gap_ms: silence after which a session closes.
        begin, end: the span, from ``begin`` until before ``end`` (ms).
    """
    first = np.unique(log.sessions, return_index=True)[1]
    first = first[log.history[first] > 0]
    asked = log.times[first - 1] + gap_ms
    half = (end - begin) // 2
    inside = (begin <= asked) & (asked < begin + half) & (asked < log.times[first]) & (log.times[first] < asked + half)
    first, asked = first[inside], asked[inside]
    order = np.argsort(asked, kind="stable")
    return NextSessions(positions=first[order], asked=asked[order])
