"""Ways of routing that MoS must beat, and that they are what they say."""

from __future__ import annotations

import numpy as np
import torch

from evaluation.protocol.data import Routing, Trial
from evaluation.routing.routings import ROUTINGS, from_rows
from mos_online.themes import Router, RouterConfig


def one_theme_per_session(trial: Trial, routing: Routing) -> bool:
    starts = np.flatnonzero(np.diff(trial.log.sessions, prepend=-1))
    first = np.repeat(routing.event_theme[starts], np.diff(np.append(starts, len(routing.event_theme))))
    return np.array_equal(first, routing.event_theme)


def test_all_fit_the_log(trial: Trial) -> None:
    for name, make in ROUTINGS.items():
        routing = make(trial, 0)
        assert routing.event_theme.shape == trial.log.items.shape, name
        assert routing.item_theme.shape == (len(trial.catalogue.items) + 1,), name
        assert routing.item_theme[0] == 0, name
        for themes in (routing.event_theme, routing.item_theme):
            assert themes.min() >= 0, name
            assert themes.max() <= routing.themes, name
        assert name == "category" or one_theme_per_session(trial, routing), name


def test_random_is_fixed_by_its_seed_and_by_nothing_else(trial: Trial) -> None:
    one, again, other = (ROUTINGS["random"](trial, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.event_theme, again.event_theme)
    assert np.array_equal(one.item_theme, again.item_theme)
    assert not np.array_equal(one.item_theme, other.item_theme)
    for themes in (one.item_theme[1:], one.event_theme):
        shares = np.bincount(themes, minlength=5)[1:] / len(themes)
        assert shares.min() > 0.1
    learned = trial.routing.event_theme
    agree = (one.event_theme == learned)[learned > 0].mean()
    assert abs(agree - 0.25) < 0.1


def test_category_is_the_items_own(trial: Trial) -> None:
    routing = ROUTINGS["category"](trial, 0)
    assert np.array_equal(routing.event_theme, trial.catalogue.item_category[trial.log.items])
    assert np.array_equal(routing.item_theme, trial.catalogue.item_category)


def test_what_is_left_out(trial: Trial) -> None:
    bare, rings_gone = ROUTINGS["unrouted"](trial, 0), ROUTINGS["no_rings"](trial, 0)
    assert not bare.event_theme.any()
    assert not bare.item_theme.any()
    assert not rings_gone.event_theme.any()
    assert np.array_equal(rings_gone.item_theme, trial.routing.item_theme)
    assert trial.routing.item_theme.any()


def test_vectors_of_any_kind_make_a_routing(trial: Trial) -> None:
    """The planted themes are the item categories of the population: vectors of these give them back."""
    category = trial.catalogue.item_category
    rows = np.eye(int(category.max()) + 1, 16, dtype=np.float32)[category]
    rows[0] = 0
    made = from_rows(trial, rows, 0)
    pairs = {(int(a), int(b)) for a, b in zip(category[1:], made.item_theme[1:], strict=True)}
    assert len(pairs) == len(set(category[1:].tolist()))


def test_the_same_window_is_another_router(trial: Trial) -> None:
    trap = ROUTINGS["same_window"](trial, 0)
    assert trap.themes == trial.routing.themes
    assert not np.array_equal(trap.item_theme, trial.routing.item_theme)
    assert trap.table is trial.table


def test_a_fresh_router_knows_the_examples_and_nothing_later(trial: Trial) -> None:
    made = ROUTINGS["fresh"](trial, 0)
    assert trial.past(1)["timestamp"].max() < trial.split.borders[1]
    by_hand = Router.fit(trial.past(1), trial.items, RouterConfig(themes=trial.config.themes, seed=0))
    assert torch.equal(made.table, trial.vectors(by_hand))
    assert made.table.shape == trial.table.shape
    assert not torch.equal(made.table, trial.table)
    assert np.array_equal(made.item_theme, ROUTINGS["same_window"](trial, 0).item_theme)
