"""What another version of the model would have answered to requests of a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mos_online.contracts import Session
from mos_online.contracts.clicks import with_user
from mos_online.items.update_schedule import SPANS
from mos_online.recommend.query import Query
from simulator.loop.compose import StreamRules
from simulator.loop.open_events import OpenEvents
from simulator.loop.served import Served
from simulator.loop.stream import VirtualStream

BATCH = 32
"""Requests that are ranked together."""

FRESH = 60_000
"""Milliseconds of event time after which the newest counts are read, as long as a half-life has more than
``SPANS`` of them. A replica reads them within seconds: with older ones, another list comes out of the same model."""


class Asked(NamedTuple):
    """A request: the user, its time (ms), and the length of the list."""

    user_id: str
    timestamp: int
    k: int


def lists_of(
    served: Served,
    sessions: Sequence[Session],
    requests: Sequence[Asked],
    rules: StreamRules,
    *,
    half_lives: tuple[float, float],
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[list[str]]:
    """The lists that a model would have given, in the order of ``requests``.

    Profiles, popularity and co-clicks are made anew from the sessions, by the code of the worker. A request is given
    the events of the user's open session that had happened by then.

    Args:
        served: the model; it knows nobody yet.
        sessions: all that there are.
        requests: in any order.
        rules: of the worker.
        half_lives: of popularity and of co-clicks, ms, as the model states them.
        on_progress: is told how many are answered.
    """
    stream = VirtualStream(
        rules.sessions, rules.outcomes, rules.limits, half_life_ms=half_lives[0], co_click_half_life_ms=half_lives[1]
    )
    clicks = sorted(
        (with_user(event, session.user_id) for session in sessions for event in session.events),
        key=lambda click: (click.timestamp, click.user_id, click.event_id),
    )
    opened, clicks_left = OpenEvents(rules.sessions.gap), iter(clicks)
    click = next(clicks_left, None)
    fresh, read = min(FRESH, *(half_life / SPANS for half_life in half_lives)), -math.inf
    order = sorted(range(len(requests)), key=lambda place: (requests[place].timestamp, place))
    lists: list[list[str]] = [[] for _ in requests]
    for begin in range(0, len(order), BATCH):
        places = order[begin : begin + BATCH]
        queries = []
        for place in places:
            asked = requests[place]
            while click is not None and click.timestamp < asked.timestamp:
                stream.send(click)
                opened.add(click.user_id, [click])
                click = next(clicks_left, None)
            if place == places[0]:
                served.close(stream.pass_time(asked.timestamp, learn=False).sessions)
                if asked.timestamp >= read + fresh:
                    served.observe(stream.popularity(), stream.co_clicks())
                    read = asked.timestamp
            queries.append(_query(asked, opened))
        for place, ranking in zip(places, served.rank(queries), strict=True):
            lists[place] = [item.item_id for item in ranking.items]
        on_progress(begin + len(places))
    return lists


def _query(asked: Asked, opened: OpenEvents) -> Query:
    return Query(
        user_id=asked.user_id,
        profile=None,
        events=opened.of(asked.user_id, asked.timestamp),
        timestamp=asked.timestamp,
        k=asked.k,
        exclude=(),
    )
