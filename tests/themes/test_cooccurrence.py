"""The routing table: what shares sessions is near, what chance explains is not."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from mos_online.errors import ModelError
from mos_online.themes import TableConfig
from mos_online.themes.cooccurrence import routing_table, sharing_items

SMALL = TableConfig(dimensions=4, min_sessions=2)


def frame(sessions: list[list[str]]) -> pl.DataFrame:
    rows = [(f"s{number}", item) for number, items in enumerate(sessions) for item in items]
    return pl.DataFrame(rows, schema=["session_id", "item_id"], orient="row")


def planted(rng: np.random.Generator, groups: str, sessions: int, size: int = 10) -> list[list[str]]:
    """Sessions of three items of one group each."""
    picked = rng.integers(len(groups), size=sessions)
    return [[f"{groups[group]}{n}" for n in rng.choice(size, 3, replace=False)] for group in picked]


def nearness(items: list[str], table: np.ndarray, kind: int) -> tuple[float, float]:
    """Mean cosine of pairs of items whose names agree, and differ, in their letter number ``kind``."""
    alike: dict[bool, list[float]] = {True: [], False: []}
    for (a, left), (b, right) in itertools.combinations(zip(items, table, strict=True), 2):
        alike[a[kind] == b[kind]].append(float(left @ right))
    return float(np.mean(alike[True])), float(np.mean(alike[False]))


def test_items_of_one_group_are_near_and_of_two_are_not() -> None:
    items, table = routing_table(frame(planted(np.random.default_rng(0), "abc", 600)), SMALL)
    inside, across = nearness(items, table, 0)
    assert inside > 0.8
    assert across < 0.2
    assert items == sorted(f"{group}{n}" for group in "abc" for n in range(10))
    assert table.dtype == np.float32
    assert np.linalg.norm(table, axis=1) == pytest.approx(1, abs=1e-5)


def test_items_of_one_day_do_not_attract_each_other_for_living_on_that_day() -> None:
    """Two topics; every day has its own items. A session has two clicks of its topic and two of anything of the day."""
    rng = np.random.default_rng(1)
    sessions = []
    for day, _ in itertools.product("0123", range(600)):
        topic = "ab"[rng.integers(2)]
        told = [f"{day}{topic}{n}" for n in rng.choice(6, 2, replace=False)]
        others = [f"{day}{'ab'[rng.integers(2)]}{rng.integers(6)}" for _ in range(2)]
        sessions.append(told + others)
    config = TableConfig(dimensions=8, min_sessions=2, slice_sessions=200)

    def pull_of_the_day(config: TableConfig) -> float:
        """Mean cosine of items that share their day only."""
        items, table = routing_table(frame(sessions), config)
        pairs = itertools.combinations(zip(items, table, strict=True), 2)
        return float(np.mean([x @ y for (a, x), (b, y) in pairs if a[0] == b[0] and a[1] != b[1]]))

    assert pull_of_the_day(config) < 0.25
    assert pull_of_the_day(TableConfig(dimensions=8, min_sessions=2, slice_sessions=10**9)) > 0.75


def test_the_order_of_events_inside_sessions_changes_nothing() -> None:
    sessions = planted(np.random.default_rng(2), "ab", 200)
    items, table = routing_table(frame(sessions), SMALL)
    again, same = routing_table(frame([session[::-1] for session in sessions]), SMALL)
    assert again == items
    assert np.array_equal(same, table)


def test_repeats_in_a_session_and_events_without_one_change_nothing() -> None:
    sessions = planted(np.random.default_rng(3), "ab", 200)
    lost = pl.DataFrame(
        {"session_id": [None, None], "item_id": ["a1", "b1"]}, schema={"session_id": str, "item_id": str}
    )
    items, table = routing_table(frame(sessions), SMALL)
    again, same = routing_table(pl.concat([lost, frame([[*session, session[0]] for session in sessions])]), SMALL)
    assert again == items
    assert np.array_equal(same, table)


def test_rare_items_get_no_row_nor_do_those_that_are_always_alone() -> None:
    sessions = planted(np.random.default_rng(4), "ab", 200)
    sessions += [["rare", "a1"], *[["alone"]] * 10, *[["alone", "alone"]] * 10]
    items, _ = routing_table(frame(sessions), SMALL)
    assert set(items) == {f"{group}{n}" for group in "ab" for n in range(10)}


def test_on_a_short_log_items_that_are_rarer_get_rows_too() -> None:
    pairs = [[f"{group}{n}", f"{group}{n + 1}"] for group in "ab" for n in range(9)]
    for times, config in ((1, TableConfig(dimensions=4, rarer=True)), (2, SMALL)):
        items, table = routing_table(frame(pairs * times), config)
        assert set(items) <= {f"{group}{n}" for group in "ab" for n in range(10)}
        assert len(items) == len(table) >= config.fewest_items
    assert sharing_items(frame(pairs), TableConfig(dimensions=4, rarer=True)) == 16, (
        "the ends of both chains are in one pair only"
    )
    assert sharing_items(frame(pairs), TableConfig(dimensions=16, rarer=True)) == 20, (
        "so many dimensions need more items"
    )
    with pytest.raises(ModelError, match="share a session with others in 3 or more sessions; this log has 0"):
        routing_table(frame(pairs), TableConfig(dimensions=4))


def test_items_that_are_often_enough_but_have_no_partner_are_not_enough() -> None:
    sessions = [[f"a{n % 60}", f"once {n}"] for n in range(120)]
    config = TableConfig(dimensions=16, min_sessions=2, rarer=True)
    assert sharing_items(frame(sessions), config) == 180
    assert len(routing_table(frame(sessions), config)[0]) >= config.fewest_items


def test_of_an_endless_session_only_the_first_items_count() -> None:
    sessions = planted(np.random.default_rng(5), "ab", 200)
    bots = [[f"{'ab'[n % 2]}{n % 10}" for n in range(8)] + ["late"]] * 5
    assert "late" in routing_table(frame(sessions + bots), TableConfig(dimensions=4, longest=9))[0]
    assert "late" not in routing_table(frame(sessions + bots), TableConfig(dimensions=4, longest=8))[0]


def test_too_few_items_for_the_dimensions() -> None:
    with pytest.raises(ModelError, match=r"at least 18 items that share a session .* this log has 10"):
        routing_table(frame(planted(np.random.default_rng(6), "a", 50)), TableConfig(dimensions=16))
