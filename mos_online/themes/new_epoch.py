"""A router that is fitted anew from the newest sessions and may follow the one in service: a new epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mos_online.arrays import Floats
from mos_online.metrics.bootstrap import paired_bootstrap
from mos_online.themes.config import RouterConfig
from mos_online.themes.cooccurrence import TableConfig
from mos_online.themes.fit import fit_router
from mos_online.themes.gate import harm_of
from mos_online.themes.item_likelihood import likelihoods, newest
from mos_online.themes.refit import Aligned, aligned
from mos_online.themes.revision_config import GateConfig
from mos_online.themes.router import Router
from mos_online.themes.visits import Visit, laid_out

SPANS = (4_000, 20_000)
"""A router is fitted on so many of the newest sessions. After a planted drift the newest 4,000 told the themes as
they are; where little moves, more tell more. The newest tenth decides."""

_LINES = {"session_id": pl.String, "user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}


@dataclass(frozen=True, kw_only=True)
class NewEpoch:
    """What was fitted.

    Attributes:
        router: begins an epoch. It also has the rows of the router in service for items that were not in the sessions.
        restarted: ids of themes that mean something else than in the epoch before.
        kept: share of the sessions that keep their theme.
        sessions: of so many the router was fitted.
        refused: why it may not go into service; empty if it may.
    """

    router: Router
    restarted: list[int]
    kept: float
    sessions: int
    refused: list[str]


def new_epoch(
    serving: Router, visits: Sequence[Visit], *, spans: Sequence[int] = SPANS, limits: GateConfig | None = None
) -> NewEpoch:
    """Fit a router anew, with the basis and the theme ids of the one in service as far as they can be kept.

    It is fitted on several spans of the newest sessions. The one whose router, fitted without the newest tenth, makes
    the items of that tenth most likely given their sessions' themes is taken. It is refused if the router in service
    does so better, or if it harms what no revision may harm either (``themes.gate``), except for ids: themes may change
    their meaning, since a model comes with it.

    Args:
        serving: the router in service.
        visits: sessions, oldest first.
        spans: as ``SPANS``.
        limits: what it must not do.

    Raises:
        ModelError: too few sessions or items for so many themes, or none of the items is known.
    """
    limits = limits or GateConfig()
    visits = [visit for visit in visits if visit.items][-max(spans) :]
    known = visits[: -newest(len(visits)) or None]
    lengths = sorted({min(span, len(visits)) for span in spans})
    tried = [(_likelihood(_fitted(serving, known[-length:]).router, visits), length) for length in lengths]
    gained, length = max(tried, key=lambda one: (float(one[0].mean()), one[1]))
    found = _fitted(serving, visits[-length:])
    users = [visit.user_id for visit in visits[len(visits) - len(gained) :]]
    gain = paired_bootstrap(gained, _likelihood(serving, visits), users, limits.draws, limits.seed)
    worse = [f"an item of the newest sessions would be less likely, by {-gain.mean:.3f} (log)"] if gain.high < 0 else []
    return NewEpoch(
        router=_carried(found, serving),
        restarted=found.restarted,
        kept=found.kept,
        sessions=length,
        refused=[*worse, *harm_of(serving, found.router, visits[-length:], limits)],
    )


def events_of(visits: Sequence[Visit]) -> pl.DataFrame:
    """The events of visits, as a router is fitted on them: session_id, user_id, item_id, timestamp (ms)."""
    lines = [(visit.session_id, visit.user_id, item, visit.watermark) for visit in visits for item in visit.items]
    return pl.DataFrame(lines, schema=_LINES, orient="row")


def _fitted(serving: Router, visits: Sequence[Visit]) -> Aligned:
    named = {
        item: category
        for visit in visits
        for item, category in zip(visit.items, visit.categories, strict=True)
        if category is not None
    }
    events = events_of(visits)
    items = events.select(pl.col("item_id").unique().sort()).with_columns(
        title=pl.lit(None, pl.String),
        category=pl.col("item_id").replace_strict(named, default=None, return_dtype=pl.String),
    )
    config = RouterConfig(themes=serving.n_themes, table=TableConfig(dimensions=serving.dimensions))
    return aligned(fit_router(events, items, config), serving, laid_out(visits))


def _likelihood(router: Router, visits: Sequence[Visit]) -> Floats:
    themes = np.array(router.session_themes(*laid_out(visits)), np.int64)
    return likelihoods(themes, visits, router.n_themes)


def _carried(found: Aligned, old: Router) -> Router:
    """The new router with the old rows of what it does not know, and the old names of themes that go on."""
    new, tensors, former = found.router, found.router.tensors(), old.tensors()
    items = [at for at, item in enumerate(old.items) if not new.has_row(item)]
    kinds = [at for at, name in enumerate(old.category_rows) if name not in set(new.category_rows)]
    labels = [new.labels[at] if at in found.restarted else name for at, name in enumerate(old.labels)]
    return Router(
        items=[*new.items, *(old.items[at] for at in items)],
        table=np.concatenate([tensors["table"], former["table"][items]]),
        prototypes=new.prototypes,
        category_rows=[*new.category_rows, *(old.category_rows[at] for at in kinds)],
        category_table=np.concatenate([tensors["category_table"], former["category_table"][kinds]]),
        categories=old.categories | new.categories,
        tau=new.tau,
        labels=labels,
        config=new.config,
    )
