"""Fitting a router: routing table, category rows, prototypes, threshold and labels from a slice of a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import polars as pl

from mos_online.arrays import Floats32
from mos_online.items.clicks import item_categories
from mos_online.themes.config import RouterConfig
from mos_online.themes.cooccurrence import routing_table
from mos_online.themes.labels import theme_labels
from mos_online.themes.means import category_means, session_means
from mos_online.themes.prototypes import distinct, spherical_kmeans
from mos_online.themes.router import Router
from mos_online.themes.routing_rows import check_table


def fit_router(events: pl.DataFrame, items: pl.DataFrame, config: RouterConfig | None = None) -> Router:
    """Learn table and prototypes from an earlier slice of the log than the model will be trained on.

    Args:
        events: columns session_id, item_id (str), one row per event, ascending in time; without a session: left out.
        items: columns item_id, title, category (str or null).
        config: sizes.

    Raises:
        ModelError: too little co-occurrence for a table, or too few sessions for so many themes.
    """
    config = config or RouterConfig()
    events = _newest(events, config)
    names, table = routing_table(events, config.table)
    return router_from_table(names, table, events, items, config)


def router_from_table(
    names: Sequence[str],
    table: Floats32,
    events: pl.DataFrame,
    items: pl.DataFrame,
    config: RouterConfig | None = None,
) -> Router:
    """Category rows, prototypes, tau and labels for a routing table that was learned in any way.

    ``fit_router`` is this with ``routing_table``.

    Args:
        names: ids of the items with a row, each once.
        table: their unit rows, float32 (items, d_r).
        events: as for ``fit_router``: the log that the table was learned from.
        items: as for ``fit_router``.
        config: sizes; ``config.table`` is only kept for the record.

    Raises:
        ModelError: names and rows do not belong together, rows are not of unit length, or too few sessions for so
            many themes.
    """
    config = config or RouterConfig()
    check_table(names, table)
    events = _newest(events, config)
    categories = item_categories(items)
    category_rows, category_table = category_means(names, table, categories)
    points = session_means(events, names, table)
    rng = np.random.default_rng(config.seed)
    if len(points) > config.sample:
        points = points[np.sort(rng.choice(len(points), config.sample, replace=False))]
    count = max(distinct(points, config.themes), 1) if config.fewer else config.themes
    prototypes = spherical_kmeans(points, count, seed=config.seed)
    tau = min(float(np.quantile((points @ prototypes.T).max(1), config.unrouted_share)), config.most_tau)
    themes = dict(zip(names, ((table @ prototypes.T).argmax(1) + 1).tolist(), strict=True))
    return Router(
        items=names,
        table=table,
        prototypes=prototypes,
        category_rows=category_rows,
        category_table=category_table,
        categories=categories,
        tau=tau,
        labels=theme_labels(events, items, themes, count),
        config=asdict(config),
    )


def _newest(events: pl.DataFrame, config: RouterConfig) -> pl.DataFrame:
    """The events that a router is learned from; of these again the same ones."""
    return events.drop_nulls("session_id").tail(config.newest)
