"""Planted themes are found, and routing depends on nothing but the session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Session, SessionEvent
from mos_online.errors import ModelError
from mos_online.metrics.agreement import mutual_information
from mos_online.themes import Router, RouterConfig, fit_router, load_router, router_from_table, save_router
from mos_online.themes.cooccurrence import routing_table
from simulator.population import SyntheticConfig, synthesize
from tests.examples import SHARED_FIXTURE

THEMES = 8
Log = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def session(items: list[str], categories: list[str | None] | None = None) -> Session:
    named = categories or [None] * len(items)
    events = [
        SessionEvent(event_id=f"e{n}", item_id=item, timestamp=n, context={"category": name} if name else None)
        for n, (item, name) in enumerate(zip(items, named, strict=True))
    ]
    return Session(
        session_id="s", user_id="u", started_at=0, ended_at=len(items), events=events, close_reason="gap", watermark=9
    )


@pytest.fixture(scope="module")
def log() -> Log:
    """Training events, unseen events, items."""
    made = synthesize(SyntheticConfig(users=400, themes=THEMES, items_per_theme=30))
    half = len(made.events) // 2
    return made.events.head(half), made.events.tail(len(made.events) - half), made.items


@pytest.fixture(scope="module")
def router(log: Log) -> Router:
    return fit_router(log[0], log[2], RouterConfig(themes=THEMES))


def test_planted_themes_are_recovered_on_unseen_sessions(log: Log, router: Router) -> None:
    planted = dict(zip(log[2]["item_id"], log[2]["category"], strict=True))
    grouped = log[1].group_by("session_id").agg("item_id").filter(pl.col("item_id").list.len() >= 2).head(1500)
    found, true = [], []
    for items in grouped["item_id"].to_list():
        names, counts = np.unique([planted[item] for item in items], return_counts=True)
        found.append(router.route(session(items)).theme)
        true.append(str(names[counts.argmax()]))
    assert mutual_information(found, true) >= 0.9
    assert router.n_themes == THEMES
    assert len(router.labels) == THEMES + 1
    assert router.labels[0] == "unrouted"
    assert {label.split(",")[0].split(" (")[0] for label in router.labels[1:]} == set(planted.values())


def test_order_inside_a_session_does_not_matter(router: Router, log: Log) -> None:
    for items in log[1].group_by("session_id").agg("item_id")["item_id"].head(50).to_list():
        one, other = router.route(session(items)), router.route(session(items[::-1]))
        assert one.theme == other.theme
        assert one.embedding == pytest.approx(other.embedding, abs=1e-5)
        assert router.session_themes(items, [None] * len(items), [len(items)]) == [one.theme]


ITEM_OR_NOT = st.tuples(st.integers(0, 260), st.sampled_from([None, "jazz", "chess", "no such category"]))


@given(sessions=st.lists(st.lists(ITEM_OR_NOT, min_size=1, max_size=12), max_size=20))
@settings(suppress_health_check=SHARED_FIXTURE, deadline=None)
def test_sessions_routed_together_go_where_each_goes_alone(
    router: Router, log: Log, sessions: list[list[tuple[int, str | None]]]
) -> None:
    known = log[2]["item_id"].to_list()
    named = [[(known[n] if n < len(known) else f"new{n}", name) for n, name in one] for one in sessions]
    together = router.session_themes(
        [item for one in named for item, _ in one],
        [name for one in named for _, name in one],
        [len(one) for one in named],
    )
    alone = [router.route(session([item for item, _ in one], [name for _, name in one])).theme for one in named]
    assert together == alone


def test_a_new_item_is_placed_by_its_category(router: Router, log: Log) -> None:
    item, category = log[2]["item_id"][0], log[2]["category"][0]
    placed = router.route(session(["never seen"], [category]))
    assert placed.theme == router.item_theme("never seen", category) == router.item_theme(item)
    assert placed.theme > 0


def test_what_nothing_is_known_of_is_unrouted(router: Router) -> None:
    placed = router.route(session(["never seen", "neither"]))
    assert placed.theme == 0
    assert set(placed.embedding) == {0.0}
    assert len(placed.weights) == THEMES
    assert router.item_theme("never seen") == 0


def test_fitting_again_gives_the_same_artefact(router: Router, log: Log) -> None:
    assert fit_router(log[0], log[2], RouterConfig(themes=THEMES)).version == router.version
    assert fit_router(log[0], log[2], RouterConfig(themes=THEMES - 1)).version != router.version


def test_what_was_saved_routes_the_same(router: Router, tmp_path: Path) -> None:
    save_router(router, tmp_path)
    again = load_router(tmp_path)
    assert (again.version, again.labels, again.tau) == (router.version, router.labels, router.tau)
    some = session(["0-1", "0-2"], ["jazz", None])
    assert again.route(some) == router.route(some)


def test_damage_is_noticed(router: Router, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mos train"):
        load_router(tmp_path / "nowhere")
    save_router(router, tmp_path)
    text = (tmp_path / "router.json").read_text()
    (tmp_path / "router.json").write_text(text.replace(f'"tau":{router.tau}', '"tau":0.5'))
    with pytest.raises(ModelError, match="damaged"):
        load_router(tmp_path)


def test_a_log_without_sessions_of_several_items_has_no_themes() -> None:
    events = pl.DataFrame({"session_id": [f"s{n}" for n in range(200)], "item_id": [f"i{n % 40}" for n in range(200)]})
    items = pl.DataFrame(
        {"item_id": ["i0"], "title": [None], "category": [None]}, schema_overrides={"category": pl.String}
    )
    with pytest.raises(ModelError, match="share a session"):
        fit_router(events, items)


def test_a_table_learned_apart_gives_the_router_of_fit(router: Router, log: Log) -> None:
    config = RouterConfig(themes=THEMES)
    names, table = routing_table(log[0], config.table)
    again = router_from_table(names, table, log[0], log[2], config)
    assert (again.version, again.tau, again.labels) == (router.version, router.tau, router.labels)
    assert np.array_equal(again.prototypes, router.prototypes)
    # Only the newest events with a session count, as in fit.
    lost = log[0].head(50).with_columns(session_id=pl.lit(None, pl.String))
    short = replace(config, newest=3000)
    names, table = routing_table(log[0].tail(3000), short.table)
    apart = router_from_table(names, table, pl.concat([log[0], lost]), log[2], short)
    assert apart.version == fit_router(log[0], log[2], short).version != router.version


def test_another_table_gives_another_router(log: Log) -> None:
    config = RouterConfig(themes=THEMES)
    names, table = routing_table(log[0], config.table)
    turned = router_from_table(names, np.roll(table, 1, axis=1), log[0], log[2], config)
    assert turned.vectors(names[:1], [None])[0] == pytest.approx(np.roll(table[0], 1), abs=1e-4)
    assert np.linalg.norm(turned.prototypes, axis=1) == pytest.approx(1, abs=1e-3)


def test_tables_that_are_none(log: Log) -> None:
    row = np.array([[0.6, 0.8]], np.float32)
    for names, table, message in [
        (["a", "b"], row, "each item one row"),
        (["a", "a"], row.repeat(2, 0), "each item one row"),
        (["a"], row[0], "each item one row"),
        (["a"], 2 * row, "lengths from 2 to 2"),
        (["never clicked"], row, "fewer themes"),
    ]:
        with pytest.raises(ModelError, match=message):
            router_from_table(names, table, log[0], log[2])
