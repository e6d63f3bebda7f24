"""Ways of routing that MoS must beat, and that they are what they say."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from evaluation.protocol.data import ExperimentData
from evaluation.routing.routings import ROUTINGS, from_rows
from mos_online.themes import RouterConfig, fit_router
from mos_online.training.routing import Routing, vectors_of_items


def one_theme_per_session(experiment: ExperimentData, routing: Routing) -> bool:
    starts = np.flatnonzero(np.diff(experiment.log.sessions, prepend=-1))
    first = np.repeat(routing.event_theme[starts], np.diff(np.append(starts, len(routing.event_theme))))
    return np.array_equal(first, routing.event_theme)


def test_all_fit_the_log(experiment: ExperimentData) -> None:
    for name, make in ROUTINGS.items():
        routing = make(experiment, 0)
        assert routing.event_theme.shape == experiment.item_rows.shape, name
        assert routing.item_theme.shape == (len(experiment.catalogue.items) + 1,), name
        assert routing.item_theme[0] == 0, name
        for themes in (routing.event_theme, routing.item_theme):
            assert themes.min() >= 0, name
            assert themes.max() <= routing.themes, name
        assert name == "category" or one_theme_per_session(experiment, routing), name


def test_random_is_fixed_by_its_seed_and_by_nothing_else(experiment: ExperimentData) -> None:
    one, again, other = (ROUTINGS["random"](experiment, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.event_theme, again.event_theme)
    assert np.array_equal(one.item_theme, again.item_theme)
    assert not np.array_equal(one.item_theme, other.item_theme)
    for themes in (one.item_theme[1:], one.event_theme):
        shares = np.bincount(themes, minlength=5)[1:] / len(themes)
        assert shares.min() > 0.1
    learned = experiment.routing.event_theme
    agree = (one.event_theme == learned)[learned > 0].mean()
    assert abs(agree - 0.25) < 0.1


def test_category_is_the_items_own(experiment: ExperimentData) -> None:
    routing = ROUTINGS["category"](experiment, 0)
    assert np.array_equal(routing.event_theme, experiment.catalogue.item_category[experiment.item_rows])
    assert np.array_equal(routing.item_theme, experiment.catalogue.item_category)


def test_what_is_left_out(experiment: ExperimentData) -> None:
    bare, rings_gone = ROUTINGS["unrouted"](experiment, 0), ROUTINGS["no_rings"](experiment, 0)
    assert not bare.event_theme.any()
    assert not bare.item_theme.any()
    assert not rings_gone.event_theme.any()
    assert np.array_equal(rings_gone.item_theme, experiment.routing.item_theme)
    assert experiment.routing.item_theme.any()


def test_vectors_of_any_kind_make_a_routing(experiment: ExperimentData) -> None:
    """The planted themes are the item categories of the population: vectors of these give them back."""
    category = experiment.catalogue.item_category
    rows = np.eye(int(category.max()) + 1, 16, dtype=np.float32)[category]
    rows[0] = 0
    made = from_rows(experiment, rows, 0)
    pairs = {(int(a), int(b)) for a, b in zip(category[1:], made.item_theme[1:], strict=True)}
    assert len(pairs) == len(set(category[1:].tolist()))


def test_the_same_window_is_another_router(experiment: ExperimentData) -> None:
    trap = ROUTINGS["same_window"](experiment, 0)
    assert trap.themes == experiment.routing.themes
    assert not np.array_equal(trap.item_theme, experiment.routing.item_theme)
    assert trap.table is experiment.routing.table


def test_a_fresh_router_knows_the_examples_and_nothing_later(experiment: ExperimentData) -> None:
    made = ROUTINGS["fresh"](experiment, 0)
    assert experiment.past(1).filter(pl.col("timestamp") >= experiment.split.borders[1]).is_empty()
    by_hand = fit_router(
        experiment.past(1), experiment.log.items, RouterConfig(themes=experiment.config.themes, seed=0)
    )
    assert torch.equal(made.table, vectors_of_items(by_hand, experiment.catalogue, experiment.log))
    assert made.table.shape == experiment.routing.table.shape
    assert not torch.equal(made.table, experiment.routing.table)
    assert np.array_equal(made.item_theme, ROUTINGS["same_window"](experiment, 0).item_theme)
