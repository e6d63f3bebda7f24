"""The themes of a log as the service has given them: what a model will read when it serves."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import numpy as np

from mos_online.arrays import Ints
from mos_online.contracts import Session
from mos_online.themes import Router
from mos_online.themes.new_items import NewItems
from mos_online.themes.timeline import RouterTimeline
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.routing import Routing, route_log, themes_of_events


def routed_in_service(
    log: ClickLog, catalogue: Catalogue, sessions: Iterable[Session], routers: RouterTimeline
) -> Routing:
    """Sessions have the themes that they were given when they closed, and items those of the revision in service.

    An item that no revision knows yet has a row from the sessions that it is in.

    Args:
        log: of the sessions.
        catalogue: the item rows.
        sessions: that the log was made of.
        routers: of the champion's epoch.

    Raises:
        ModelError: a revision that is needed is damaged.
        RegistryError: the registry cannot be read.
    """
    return route_log(_with_new_items(routers.newest(), log), catalogue, log, _themes_in_force(log, sessions, routers))


def routed_anew(log: ClickLog, catalogue: Catalogue, router: Router) -> Routing:
    """All sessions and items have the themes that a router of another epoch gives them: so profiles are read, too."""
    return route_log(_with_new_items(router, log), catalogue, log)


def _themes_in_force(log: ClickLog, sessions: Iterable[Session], routers: RouterTimeline) -> Ints:
    """The theme of each position's session by the router that was in force when it closed, int64 (n,)."""
    closed = {session.session_id: session.watermark for session in sessions}
    times, at = np.unique([closed[name] for name in log.events["session_id"]], return_inverse=True)
    themes = np.zeros(len(at), np.int64)
    begin = 0
    for router, together in groupby(times.tolist(), key=routers.at):
        end = begin + sum(1 for _ in together)
        rows = (begin <= at) & (at < end)
        themes[rows] = themes_of_events(log.events.filter(rows), router, log.categories)
        begin = end
    return themes


def _with_new_items(router: Router, log: ClickLog) -> Router:
    """The router with rows for items that it has not seen, from the sessions that they are in."""
    found = NewItems(router)
    names = log.events["item_id"].to_list()
    lengths = np.diff(np.flatnonzero(np.diff(log.sessions, prepend=-1, append=-1)))
    begin = 0
    for length in lengths.tolist():
        items = names[begin : begin + length]
        found.learn(items, log.categories_of(items))
        begin += length
    return router.with_rows(*found.rows())
