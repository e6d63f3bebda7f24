"""The champion with rows for the items that have come since: where a candidate begins, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from scipy.sparse import csr_array
from torch import Tensor

from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.themes import Router
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.routing import Routing

NOT_COPIED = ("item_category", "item_theme", "item_known", "item_table", "content.vectors")
"""What ``describe_items`` sets."""


def grown_catalogue(champion: ModelCheckpoint, log: ClickLog) -> Catalogue:
    """The champion's rows, then those of new items by their first click, and of new categories.

    An item keeps the category and the vector that the champion knows it by.
    """
    known, about = set(champion.items), champion.catalogued
    items = [*champion.items, *(item for item in log.item_ids() if item not in known)]
    rows = champion.model.item_category[1:].tolist()
    named = ["", *champion.categories]
    category_of = {item: named[row] for item, row in zip(champion.items, rows, strict=True) if row}
    listed = dict(zip(about.items, about.categories, strict=True))
    named_now = {item: log.categories.get(item) or listed.get(item) for item in items[len(known) :]}
    category_of |= {item: name for item, name in named_now.items() if name is not None}
    new = sorted(set(category_of.values()) - set(champion.categories))
    categories = [*champion.categories, *new]
    number = {name: row for row, name in enumerate(categories, 1)}
    old = champion.model.content.vectors if champion.model.config.content else torch.zeros(len(known) + 1, 0)
    return Catalogue(
        items=items,
        categories=categories,
        item_category=np.array([0, *(number.get(category_of.get(item, ""), 0) for item in items)], np.int64),
        content=torch.cat([old, about.rows_of(items[len(known) :])]),
    )


def grown(champion: ModelCheckpoint, catalogue: Catalogue, routing: Routing, router: Router, *, gap_ms: int) -> MoS:
    """The champion with more rows. It ranks as in service, and knows of a new item what the service knows of it.

    Known items are scored in the theme that the revision in service gives them, and keep the routing vectors that the
    weights were trained on, see ``Recommender.revised``.

    Args:
        champion: stays as it is.
        catalogue: from ``grown_catalogue``.
        routing: themes and routing vectors of all its items.
        router: the revision in service.
        gap_ms: silence that ends a session now.
    """
    config = replace(
        champion.model.config, items=len(catalogue.items), categories=len(catalogue.categories), gap_ms=gap_ms
    )
    model = MoS(config)
    weights = model.state_dict()
    for name, old in champion.model.state_dict().items():
        if name in NOT_COPIED:
            continue
        weights[name] = old.clone() if old.shape == weights[name].shape else _longer(old, len(weights[name]))
    model.load_state_dict(weights)
    count = len(champion.items) + 1
    theme, table = torch.from_numpy(routing.item_theme).clone(), routing.table.clone()
    kept = np.flatnonzero([True, *(not router.has_row(item) for item in champion.items)])
    theme[kept] = champion.model.item_theme[kept]
    known = torch.zeros(len(theme))
    known[:count] = champion.model.item_known
    if config.table:
        table[:count] = champion.model.item_table
    model.set_catalogue(torch.from_numpy(catalogue.item_category), theme, known, table, catalogue.content)
    return model.eval()


@torch.no_grad()
def enter_epoch(model: MoS, catalogue: Catalogue, routing: Routing, restarted: Sequence[int]) -> None:
    """Let the candidate read the themes and the routing vectors of a new epoch.

    A theme that means something else than before begins as the mean of those that go on.

    Args:
        model: from ``grown``; changed in place.
        catalogue: its rows.
        routing: of the epoch.
        restarted: ids of such themes, from 1 on.
    """
    category, theme = torch.from_numpy(catalogue.item_category), torch.from_numpy(routing.item_theme)
    model.set_catalogue(category, theme, model.item_known, routing.table, catalogue.content)
    kept = [theme for theme in range(1, routing.themes + 1) if theme not in restarted]
    if restarted and kept:
        model.theme.weight[list(restarted)] = model.theme.weight[kept].mean(0)


def _longer(rows: Tensor, count: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(count - len(rows), *rows.shape[1:])])


@torch.no_grad()
def admit(model: MoS, catalogue: Catalogue, log: ClickLog, *, first: int, border: int) -> None:
    """Let new items have rows of their own: each begins where the items of its sessions lie, on average.

    Args:
        model: from ``grown``; changed in place.
        catalogue: its rows.
        log: the clicks.
        first: the rows from here on are new.
        border: only clicks before this event time (ms) count.
    """
    past = log.before(border)
    rows = torch.from_numpy(catalogue.rows_of(past["item_id"].to_list()))
    seen = torch.zeros(len(model.item_known)).index_fill(0, rows, 1.0)
    new = torch.arange(first, len(seen))[seen[first:] > 0]
    if not len(new):
        return
    company = _company(past, rows.numpy(), model.item_rows(torch.arange(len(seen))) * model.item_known.unsqueeze(1))
    met = company[new]
    own = torch.where(met.abs().sum(1, keepdim=True) > 0, met - model.item_rows(new), torch.zeros_like(met))
    model.item.weight[new] = own
    model.item_known[new] = 1.0


def _company(past: pl.DataFrame, rows: np.ndarray[tuple[int], np.dtype[np.int64]], known: Tensor) -> Tensor:
    """The mean row of the known items that each item shares sessions with, float32 (items + 1, d); zero for none.

    ``known``: float32 (items + 1, d), zero for items that are not known.
    """
    session = past["session_id"].rank("dense").to_numpy().astype(np.int64) - 1
    shape = (int(session.max()) + 1, len(known))
    visits = csr_array((np.ones(len(rows)), (session, rows)), shape=shape)
    visits.data[:] = 1.0
    is_known = (known.abs().sum(1) > 0).numpy().astype(np.float64)
    total = visits.T @ (visits @ known.double().numpy())
    count = visits.T @ (visits @ is_known)
    return torch.from_numpy((total / np.maximum(count, 1.0)[:, None]).astype(np.float32))
