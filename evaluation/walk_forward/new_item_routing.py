"""How soon a new item can be routed, and how well."""

from __future__ import annotations

import msgspec
import numpy as np

from evaluation.walk_forward.data import WalkForwardData
from mos_online.arrays import Floats32
from mos_online.themes.new_items import NewItems

MINUTE = 60_000
WATCHED = 20
"""Clicks during the steps that an item needs to be counted: the others hardly matter to anybody."""


class Routability(msgspec.Struct, frozen=True, kw_only=True):
    """How well items are routed that were first clicked during the steps, and clicked often enough there.

    Attributes:
        items: how many; by_category: share that the category's row places at once.
        with_row: share that came to a row of their own before the log ends.
        minutes, clicks: until then, since the first click: median and 90 % quantile.
        category_agrees, first_agrees: share whose theme by category, and by the first row, is the one that all
            the items they were clicked with give in hindsight; of the items that have both.
    """

    items: int
    by_category: float
    with_row: float
    minutes: tuple[float, float]
    clicks: tuple[float, float]
    category_agrees: float
    first_agrees: float


def routability(data: WalkForwardData) -> Routability:
    """Walk through the closed sessions of the log once."""
    router = data.routers[0]
    early, whole = NewItems(router), NewItems(router, prior=0.0)
    clicks: dict[str, int] = {}
    first: dict[str, tuple[int, int, int]] = {}
    for ended, names in data.closed().select("ended_at", "item_id").iter_rows():
        for name in names:
            clicks[name] = clicks.get(name, 0) + 1
        categories = data.log.categories_of(names)
        whole.learn(names, categories)
        for name in early.learn(names, categories):
            row = early.row(name)
            if row is not None:
                first[name] = (ended, clicks[name], int((router.prototypes @ row).argmax()) + 1)
    watched = [(name, when) for name, when in data.new_items() if clicks.get(name, 0) >= WATCHED]
    placed = {name: router.item_theme(name, data.log.categories.get(name)) for name, _ in watched}
    own = [(name, when) for name, when in watched if name in first]
    hindsight = {name: int((router.prototypes @ row).argmax()) + 1 for name, row in _rows(whole, own)}
    minutes = [(first[name][0] - when) / MINUTE for name, when in own]
    both = [name for name in hindsight if placed[name] > 0]
    return Routability(
        items=len(watched),
        by_category=float(np.mean([placed[name] > 0 for name, _ in watched])) if watched else float("nan"),
        with_row=len(own) / max(len(watched), 1),
        minutes=_quantiles(minutes),
        clicks=_quantiles([first[name][1] for name, _ in own]),
        category_agrees=float(np.mean([placed[name] == hindsight[name] for name in both])) if both else float("nan"),
        first_agrees=float(np.mean([first[name][2] == hindsight[name] for name in both])) if both else float("nan"),
    )


def _rows(whole: NewItems, items: list[tuple[str, int]]) -> list[tuple[str, Floats32]]:
    return [(name, row) for name, _ in items if (row := whole.row(name)) is not None]


def _quantiles(values: list[float] | list[int]) -> tuple[float, float]:
    if not values:
        return float("nan"), float("nan")
    median, high = np.quantile(values, (0.5, 0.9))
    return float(median), float(high)
