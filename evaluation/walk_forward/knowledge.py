"""What a model is told about items and sessions before a step, by its schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from torch import Tensor

from evaluation.walk_forward.data import WalkForwardData
from mos_online.arrays import Ints
from mos_online.themes import Router
from mos_online.themes.new_items import NewItems
from mos_online.training.routing import Routing, route_log, themes_of_events
from mos_online.training.sequence_log import SequenceLog


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What is known of items and sessions when a model is scored or fitted.

    Attributes:
        routing: themes of sessions and items, and routing vectors.
        known: float32 (items + 1,), 1 for items that the model could learn from.
        sequences: the events, with sessions in the rings of their themes.
    """

    routing: Routing
    known: Tensor
    sequences: SequenceLog


def by_router(data: WalkForwardData, router: Router, step: int, event_theme: Ints | None = None) -> Knowledge:
    """Themes and routing vectors by one router, and the items known before a step.

    Args:
        data: the log.
        router: for items and, without ``event_theme``, for all sessions.
        step: before which the items are known.
        event_theme: int64 (n,), theme of each event's session.
    """
    routing = route_log(router, data.catalogue, data.log, event_theme)
    return Knowledge(routing=routing, known=data.known(step), sequences=data.sequences(routing))


def updated(data: WalkForwardData) -> Iterator[Knowledge]:
    """What the models that are updated know at each step.

    The first router's rows and prototypes stay; new items get rows by what they were clicked with up to the step. A
    session is routed once, by what is known when it closes.
    """
    first, log = data.routers[0], data.log
    new_items, closed = NewItems(first), data.closed()
    ended_at = closed["ended_at"].to_numpy()
    themes = themes_of_events(log.events, first, log.categories)
    done = int(np.searchsorted(ended_at, data.router_cut(0)))
    yield by_router(data, first, 0, themes)
    for step in range(1, data.config.steps):
        until = int(np.searchsorted(ended_at, data.borders[step]))
        for items in closed["item_id"][done:until].to_list():
            new_items.learn(items, log.categories_of(items))
        done = until
        names, rows = new_items.rows()
        router = first.with_rows(names, rows) if names else first
        later = closed.filter(pl.Series(ended_at >= data.borders[step]))["session_id"]
        at = np.flatnonzero(log.events["session_id"].is_in(later.implode()).to_numpy())
        themes = themes.copy()
        themes[at] = themes_of_events(log.events[at], router, log.categories)
        yield by_router(data, router, step, themes)
