"""The best that revisions of a router could reach: one that was fitted on what happened after the drift."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mos_online.themes import Router, RouterConfig, TableConfig, fit_router
from mos_online.themes.new_epoch import events_of
from mos_online.themes.refit import aligned
from mos_online.themes.visits import Visit, laid_out

SEQUENCE = 1_000_000
"""Behind all revisions."""


def oracle_router(base: Router, visits: Sequence[Visit]) -> Router:
    """A router that was fitted on sessions after a drift, as a revision of the router before it.

    It has the basis and the theme ids of ``base``, so that the model can serve with it.

    Args:
        base: the router of the model.
        visits: sessions after the drift; the more the better.

    Raises:
        ModelError: too few sessions for as many themes.
    """
    visits = [visit for visit in visits if visit.items]
    events = events_of(visits)
    items = events.select("item_id").unique().sort("item_id")
    nameless = items.with_columns(title=pl.lit(None, pl.String), category=pl.lit(None, pl.String))
    config = RouterConfig(themes=base.n_themes, table=TableConfig(dimensions=base.dimensions))
    fitted = fit_router(events, nameless, config)
    turned = aligned(fitted, base, laid_out(visits)).router
    rows = turned.vectors(turned.items, [None] * len(turned.items))
    return base.revised(turned.items, rows, prototypes=turned.prototypes, tau=turned.tau, sequence=SEQUENCE)
