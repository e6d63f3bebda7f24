"""Rows for items that came after the router."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import Session, SessionEvent
from mos_online.errors import ModelError
from mos_online.themes import Router, RouterConfig, fit_router
from mos_online.themes.new_items import NewItems
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize


@pytest.fixture(scope="module")
def population() -> Dataset:
    return synthesize(SyntheticConfig(users=300, themes=4, items_per_theme=20, noise=0.05))


@pytest.fixture(scope="module")
def absent(population: Dataset) -> list[str]:
    """Every tenth item is new."""
    return population.items["item_id"].to_list()[::10]


@pytest.fixture(scope="module")
def router(population: Dataset, absent: list[str]) -> Router:
    old = population.events.filter(~pl.col("item_id").is_in(absent))
    nameless = population.items.with_columns(category=pl.lit(None, pl.String))
    return fit_router(old, nameless, RouterConfig(themes=4))


def sessions(population: Dataset) -> list[list[str]]:
    return population.events.group_by("session_id", maintain_order=True).agg("item_id")["item_id"].to_list()


def one_session(items: list[str]) -> Session:
    events = [SessionEvent(event_id=f"e{n}", item_id=item, timestamp=n) for n, item in enumerate(items)]
    return Session(
        session_id="s", user_id="u", started_at=0, ended_at=9, events=events, close_reason="gap", watermark=9
    )


def learned(router: Router, log: list[list[str]], least: int = 3) -> NewItems:
    made = NewItems(router, least=least)
    for items in log:
        made.learn(items, [None] * len(items))
    return made


def test_new_items_join_the_theme_they_belong_to(population: Dataset, router: Router, absent: list[str]) -> None:
    names, rows = learned(router, sessions(population), 10).rows()
    assert set(names) == set(absent)
    wider = router.with_rows(names, rows)
    theme_of = dict(zip(population.items["item_id"], population.items["category"], strict=True))
    old = [item for item in theme_of if item not in absent]
    themes: dict[str, int] = {}
    for name in set(theme_of.values()):
        mine = router.item_themes([item for item in old if theme_of[item] == name], [None] * 18)
        themes[name] = int(np.bincount(mine).argmax())
    assert wider.item_themes(names, [None] * len(names)).tolist() == [themes[theme_of[item]] for item in names]


def test_what_was_known_stays_as_it_was(population: Dataset, router: Router) -> None:
    names, rows = learned(router, sessions(population)).rows()
    wider = router.with_rows(names, rows)
    old = [item for item in population.items["item_id"] if router.has_row(item)]
    assert np.array_equal(wider.vectors(old, [None] * len(old)), router.vectors(old, [None] * len(old)))
    assert np.array_equal(wider.prototypes, router.prototypes)
    assert wider.version != router.version
    assert all(wider.has_row(name) and not router.has_row(name) for name in names)
    for items in sessions(population)[:100]:
        if all(map(router.has_row, items)):
            assert wider.route(one_session(items)) == router.route(one_session(items))


@given(seed=st.integers(0, 50))
def test_order_does_not_matter(population: Dataset, router: Router, seed: int) -> None:
    log = sessions(population)[:60]
    mixed = [log[at] for at in np.random.default_rng(seed).permutation(len(log))]
    one, other = (dict(zip(*learned(router, part).rows(), strict=True)) for part in (log, mixed))
    assert one.keys() == other.keys()
    assert all(np.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_a_row_needs_company_and_says_when_it_has_it(router: Router, absent: list[str]) -> None:
    old = [item for item in ("x", *router.items) if router.has_row(item)][:3]
    made = NewItems(router, least=3)
    assert made.learn([absent[0], old[0]], [None, None]) == []
    assert made.learn([absent[0], absent[1]], [None, None]) == []  # new ones do not teach each other
    assert made.rows()[0] == []
    assert made.learn([absent[0], old[0], old[0], old[1]], [None] * 4) == [absent[0]]  # counted once a session
    assert made.learn([absent[0], old[2]], [None, None]) == []
    names, rows = made.rows()
    assert names == [absent[0]]
    a, b, c = router.vectors(old, [None] * 3)
    mean = 2 * a + b + c
    assert np.allclose(rows[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_wrong_rows_are_refused(router: Router) -> None:
    unit = np.eye(1, router.dimensions, dtype=np.float32)
    known = router.items[0]
    with pytest.raises(ModelError, match="have rows already"):
        router.with_rows([known], unit)
    with pytest.raises(ModelError, match="must be 1"):
        router.with_rows(["new"], 2 * unit)
    with pytest.raises(ModelError, match="for 2 names"):
        router.with_rows(["new", "newer"], unit)
