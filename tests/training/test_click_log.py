"""The two orders of a log, and what was popular before each chunk of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import SESSION_END, EventTypes
from mos_online.errors import DatasetError
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS
from mos_online.model.realtime import realtime_of
from mos_online.sessions import SessionConfig
from mos_online.training import moments as moments_module
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.moments import moments

RULES = SessionConfig(gap=100, min_timestamp=0)
ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["A", "B", "C"], "category": ["x", None, "y"]})
HALF_LIFE = 1000.0


def events_of(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    named = [
        (user, item, f"e{n:03}", time, item if item == SESSION_END else "click")
        for n, (user, item, time) in enumerate(rows)
    ]
    schema = ["user_id", "item_id", "event_id", "timestamp", "event_type"]
    return pl.DataFrame(named, schema=schema, orient="row").sort("timestamp", "event_id")


@st.composite
def logs(draw: st.DrawFn) -> ClickLog:
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from("uvw"), st.sampled_from(["a", "b", "c", SESSION_END]), st.integers(0, 2000)),
            min_size=1,
            max_size=40,
        ).filter(lambda found: any(item != SESSION_END for _, item, _ in found))
    )
    return ClickLog.cut(events_of(rows), ITEMS, RULES)


@given(logs())
@settings(deadline=None)
def test_the_two_orders_hold_the_same_events(log: ClickLog) -> None:
    assert log.by_time.drop("at").equals(log.events[log.order.tolist()])
    assert log.order[log.rank].tolist() == list(range(len(log.events)))
    assert log.by_time["timestamp"].is_sorted()
    assert [click.event_id for click in log.clicks] == log.by_time["event_id"].to_list()
    assert SESSION_END not in set(log.events["event_type"])
    for position in range(len(log.events)):
        earlier = (log.users[:position] == log.users[position]).sum()
        assert log.history[position] == earlier
        same = log.events["session_id"][position] == log.events["session_id"]
        assert (log.sessions == log.sessions[position]).tolist() == same.to_list()


def test_an_item_has_the_row_of_its_first_click_and_its_category() -> None:
    log = ClickLog.cut(events_of([("u", "c", 5), ("u", "a", 9), ("v", "b", 7), ("v", "c", 8)]), ITEMS, RULES)
    catalogue = Catalogue.of_log(log)
    assert list(catalogue.items) == ["c", "b", "a"]
    assert list(catalogue.categories) == ["x", "y"]
    assert catalogue.item_category.tolist() == [0, 2, 0, 1]
    assert catalogue.rows_of(["a", "nowhere", "c"]).tolist() == [3, 0, 1]
    assert catalogue.marked({"b", "nowhere"}).tolist() == [0, 0, 1, 0]
    assert log.before(8)["item_id"].to_list() == ["c", "b"]


@given(logs(), st.integers(1, 7), st.data())
@settings(deadline=None)
def test_a_moment_knows_every_click_before_it_and_none_after(log: ClickLog, size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(log.order) - 1))
    catalogue = Catalogue.of_log(log)
    made = list(moments(log, catalogue, log.order[first:], size=size, half_life_ms=HALF_LIFE))
    assert np.concatenate([one.positions for one in made]).tolist() == log.order[first:].tolist()
    assert all(len(one.positions) == size for one in made[:-1])
    for one in made:
        counts = ItemPopularity(gap_ms=RULES.gap, half_life_ms=HALF_LIFE, partition=-1)
        for click in log.clicks[: one.clicks_before]:
            counts.observe(click, EventTypes.parse())
        expected = realtime_of(counts.snapshot(top=LISTED_ITEMS), catalogue.rows)
        everything = torch.arange(len(catalogue.items) + 1)
        known = torch.ones(len(everything))
        torch.testing.assert_close(one.popular.features(everything, known), expected.features(everything, known))
        before = {click.item_id for click in log.clicks[: one.clicks_before]}
        assert set(catalogue.items[: one.seen]) == before
        assert one.clicks_before == log.rank[one.positions[0]]


def test_only_the_newest_clicks_warm_the_counts_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments_module, "WARM_UP_CLICKS", 2)
    log = ClickLog.cut(events_of([("u", "a", 1), ("u", "b", 2), ("u", "c", 3), ("u", "a", 4)]), ITEMS, RULES)
    (one,) = moments(log, Catalogue.of_log(log), log.order[3:], size=8, half_life_ms=HALF_LIFE)
    assert one.clicks_before == 3
    assert set(one.popular.popular.tolist()) == {2, 3}


def test_no_positions_make_no_moments() -> None:
    log = ClickLog.cut(events_of([("u", "a", 1)]), ITEMS, RULES)
    assert list(moments(log, Catalogue.of_log(log), log.order[:0], size=8, half_life_ms=HALF_LIFE)) == []


@pytest.mark.parametrize("places", [[2, 1], [1, 1], [0, 2, 1, 3]])
def test_positions_in_another_order_are_refused(places: list[int]) -> None:
    """Of clicks of one time, too: counted up to the first, a moment would know what comes after the second."""
    log = ClickLog.cut(events_of([(user, "a", 7) for user in "wvus"]), ITEMS, RULES)
    with pytest.raises(DatasetError, match="in the order of the log"):
        list(moments(log, Catalogue.of_log(log), log.order[places], size=8, half_life_ms=HALF_LIFE))
