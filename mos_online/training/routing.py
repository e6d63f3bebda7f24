"""The themes of a log: of every event, by its session, and of every item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from mos_online.arrays import Ints
from mos_online.model.sequence_model import SequenceModel
from mos_online.themes import Router
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog, session_numbers


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Themes of all events and items, by one way of routing.

    Attributes:
        event_theme: int64 (n,), theme 0..K of each position's session.
        item_theme: int64 (items + 1,), theme 0..K of each item row.
        themes: K.
        table: float32 (items + 1, d_r), the routing vectors that models get as features of the items; zero where
            there is none.
    """

    event_theme: Ints
    item_theme: Ints
    themes: int
    table: Tensor


def themes_of_events(events: pl.DataFrame, router: Router, category_of: Mapping[str, str]) -> Ints:
    """Route every session: the theme 0..K of each event, int64 (n,).

    Args:
        events: from ``with_sessions``.
        router: fitted on an earlier slice of the log than the events that will be predicted.
        category_of: item -> category, for items that the router has not seen.
    """
    session = session_numbers(events)
    names = events["item_id"].gather(np.argsort(session, kind="stable")).to_list()
    lengths: list[int] = np.bincount(session).tolist()
    themes = router.session_themes(names, [category_of.get(name) for name in names], lengths)
    return np.array(themes, np.int64)[session]


def themes_of_items(router: Router, catalogue: Catalogue, log: ClickLog) -> Ints:
    """Theme 0..K of each item row, int64 (items + 1,)."""
    found = router.item_themes(catalogue.items, log.categories_of(catalogue.items))
    return np.concatenate([[0], found]).astype(np.int64)


def vectors_of_items(router: Router, catalogue: Catalogue, log: ClickLog) -> Tensor:
    """Routing vector of each item row, float32 (items + 1, d_r): its own, else its category's, else zero."""
    rows = router.vectors(catalogue.items, log.categories_of(catalogue.items))
    return torch.from_numpy(np.concatenate([np.zeros((1, router.dimensions), np.float32), rows]))


def route_log(router: Router, catalogue: Catalogue, log: ClickLog, event_theme: Ints | None = None) -> Routing:
    """Give all sessions and items of a log their themes.

    Args:
        router: fitted on an earlier slice of the log than the events that will be predicted.
        catalogue: the item rows.
        log: the events.
        event_theme: int64 (n,), where the sessions have their themes already.
    """
    if event_theme is None:
        event_theme = themes_of_events(log.events, router, log.categories)
    return Routing(
        event_theme=event_theme,
        item_theme=themes_of_items(router, catalogue, log),
        themes=router.n_themes,
        table=vectors_of_items(router, catalogue, log),
    )


def describe_items(model: SequenceModel, catalogue: Catalogue, routing: Routing, known: Tensor) -> None:
    """Tell a model the category, theme and routing vector of each item row, and whether it can be trained.

    Args:
        model: changed in place.
        catalogue: the item rows.
        routing: their themes and vectors.
        known: float32 (items + 1,), 1 where the row can be trained.
    """
    model.set_catalogue(
        torch.from_numpy(catalogue.item_category),
        torch.from_numpy(routing.item_theme),
        known,
        routing.table,
        catalogue.content,
    )
