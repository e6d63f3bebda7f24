"""A history read from the log is the one that the service makes of the profile and the open session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mos_online.contracts import SESSION_END
from mos_online.model.batch import Batch, collate
from mos_online.recommend.history import history_of
from mos_online.recommend.query import Query
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, TableConfig, fit_router
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog, with_sessions
from mos_online.training.next_sessions import next_sessions
from mos_online.training.routing import themes_of_events
from mos_online.training.sequence_log import SequenceLog
from mos_online.users.offline_profiles import past_sessions
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_session

SESSIONS = SessionConfig(gap=100, max_events=5, max_duration=250, min_timestamp=0)
RECENT, RING, THEMES = 6, 4, 3
ROUTED = [f"{group}{n}" for group in "abc" for n in range(10)]
YOUNG = ["a-new", "b-new"]  # younger than the router, placed by their category
NOWHERE = ["x1", "x2"]  # without a category, and without a row in the catalogue
CATEGORY = {item: item[0] for item in ROUTED + YOUNG}
ITEMS = pl.DataFrame({"item_id": list(CATEGORY), "title": list(CATEGORY), "category": list(CATEGORY.values())})


def fitted() -> Router:
    """Three planted groups of items that never share a session."""
    rows = [(f"{g}/{n}", f"{g}{(n + k) % 10}") for g in "abc" for n in range(30) for k in (0, 1, 3)]
    events = pl.DataFrame(rows, schema=["session_id", "item_id"], orient="row")
    table = TableConfig(dimensions=5, min_sessions=2)
    return fit_router(events, ITEMS.filter(pl.col("item_id").is_in(ROUTED)), RouterConfig(themes=THEMES, table=table))


ROUTER = fitted()
CATALOGUE = Catalogue.of(ROUTED + YOUNG, CATEGORY)
ROWS = CATALOGUE.rows
SIZES = RingSizes(recent=RECENT, theme=RING)


def laid_out(events: pl.DataFrame) -> SequenceLog:
    return SequenceLog(events, CATALOGUE, themes_of_events(events, ROUTER, CATEGORY), ROUTER.n_themes)


@st.composite
def logs(draw: st.DrawFn) -> pl.DataFrame:
    """Steps up to beyond a gap; items the router knows, does not know, or only by category; some logouts."""
    item = st.sampled_from(ROUTED * 2 + YOUNG * 3 + NOWHERE * 2 + [SESSION_END] * 4)
    step = st.integers(1, 30) | st.integers(101, 300)
    steps = draw(st.lists(st.tuples(st.sampled_from("uv"), step, item), min_size=1, max_size=40))
    rows, now = [], 1000
    for number, (user, after, name) in enumerate(steps):
        now += after
        kind = name if name == SESSION_END else "click"
        rows.append((user, name, f"e{number:02}", now, kind))
    return pl.DataFrame(rows, schema=["user_id", "item_id", "event_id", "timestamp", "event_type"], orient="row")


def served(events: pl.DataFrame, session_name: str, event_id: str, user: str, now: int) -> Query:
    """What the service is asked just before this event: all earlier sessions applied, and the open one's prefix."""
    profile: UserProfile | None = None
    for session in past_sessions(events.filter(pl.col("user_id") == user), ITEMS, SESSIONS):
        if session.session_id == session_name:
            names = [event.event_id for event in session.events]
            prefix = session.events[: names.index(event_id)]
            return Query(user_id=user, profile=profile, events=prefix, timestamp=now, k=1, exclude=[])
        before = profile or UserProfile(user_id=user)
        profile = apply_session(before, session, ROUTER.route(session), ROUTER, SIZES)
    raise AssertionError(f"no session {session_name}")


def in_order(batch: Batch) -> dict[str, Tensor]:
    """All tensors of a batch, rings by user and theme."""
    order = torch.argsort(batch.ring_user * (THEMES + 1) + batch.ring_theme, stable=True)
    return {
        name: value[order] if name.startswith("ring_") else value
        for name, value in ((name, getattr(batch, name)) for name in Batch.__dataclass_fields__)
    }


def assert_equal(one: Batch, other: Batch) -> None:
    left, right = in_order(one), in_order(other)
    for name, value in left.items():
        assert value.dtype == right[name].dtype, name
        assert torch.equal(value, right[name]), name


def batch_of(events: pl.DataFrame, event_ids: Sequence[str]) -> Batch:
    cut = with_sessions(events, SESSIONS)
    at = {name: number for number, name in enumerate(cut["event_id"].to_list())}
    log = laid_out(cut)
    return log.batch(np.array([at[name] for name in event_ids], np.int64), recent=RECENT, ring=RING)


def assert_trained_as_served(events: pl.DataFrame, chosen: Sequence[dict[str, object]]) -> None:
    queries = [
        served(events, str(row["session_id"]), str(row["event_id"]), str(row["user_id"]), int(str(row["timestamp"])))
        for row in chosen
    ]
    expected = collate([history_of(query, router=ROUTER, sizes=SIZES, rows=ROWS) for query in queries])
    assert_equal(batch_of(events, [str(row["event_id"]) for row in chosen]), expected)


def clicks(events: pl.DataFrame) -> list[dict[str, object]]:
    return with_sessions(events, SESSIONS).to_dicts()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(events=logs().filter(lambda frame: (frame["event_type"] == "click").any()), data=st.data())
def test_training_reads_what_the_service_reads(events: pl.DataFrame, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(clicks(events)), min_size=1, max_size=8))
    assert_trained_as_served(events, chosen)


@settings(max_examples=40, deadline=None)
@given(events=logs(), delay=st.sampled_from([0, 7_000]))
def test_a_list_for_the_next_session_is_learned_from_what_the_service_reads(events: pl.DataFrame, delay: int) -> None:
    log = ClickLog.cut(events, ITEMS, SESSIONS)
    found = next_sessions(log, gap_ms=SESSIONS.gap, begin=0, end=10**9)
    queries = []
    for position, asked in zip(found.positions.tolist(), found.asked.tolist(), strict=True):
        row = log.events.row(position, named=True)
        queries.append(served(events, row["session_id"], row["event_id"], row["user_id"], asked))
    expected = [history_of(query, router=ROUTER, sizes=SIZES, rows=ROWS, delay_ms=delay) for query in queries]
    sequences = laid_out(log.events)
    batch = sequences.batch(found.positions, recent=RECENT, ring=RING, now=found.asked + delay)
    assert_equal(batch, collate(expected))


@pytest.mark.parametrize(
    "steps",
    [
        [("a1", 0), (SESSION_END, 10), ("a2", 10), ("a3", 40)],  # a click in the millisecond of a logout
        [("a1", 0), ("a2", 10), ("a3", 20), ("a4", 30), ("a5", 40), ("a6", 40), ("a7", 70)],  # cut by max_events
    ],
)
def test_training_reads_it_also_where_a_session_begins_as_the_last_one_ends(steps: list[tuple[str, int]]) -> None:
    rows = [
        ("u", item, f"e{n}", 1000 + time, item if item == SESSION_END else "click")
        for n, (item, time) in enumerate(steps)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event_id", "timestamp", "event_type"], orient="row")
    assert_trained_as_served(events, clicks(events)[-1:])


@settings(max_examples=40, deadline=None)
@given(
    events=logs().filter(lambda frame: (frame["event_type"] == "click").any()),
    later=logs(),
    data=st.data(),
)
def test_what_comes_later_changes_nothing(events: pl.DataFrame, later: pl.DataFrame, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(clicks(events)))
    before = events.filter(pl.col("timestamp") <= int(str(row["timestamp"])))
    other = later.with_columns(
        pl.col("timestamp") + int(str(row["timestamp"])), event_id=pl.lit("later-") + pl.col("event_id")
    )
    name = str(row["event_id"])
    alone = batch_of(before, [name])
    assert_equal(batch_of(events, [name]), alone)
    assert_equal(batch_of(pl.concat([before, other]), [name]), alone)


def test_the_order_of_positions_is_the_order_of_rows() -> None:
    rows = [("u", item, f"e{n}", 1000 + 40 * n, "click") for n, item in enumerate(["a1", "a2", "b1", "x1"])]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event_id", "timestamp", "event_type"], orient="row")
    batch = batch_of(events, ["e3", "e0", "e1"])
    row_of = {item: row for row, item in enumerate(CATALOGUE.items, 1)}
    assert batch.items.tolist() == [[row_of["a1"], row_of["a2"], row_of["b1"]], [0, 0, 0], [row_of["a1"], 0, 0]]
    assert batch.mask.sum(1).tolist() == [3, 0, 1]
    assert batch.ages[0].tolist() == pytest.approx([0.12, 0.08, 0.04])
    assert len(batch.ring_user) == 0  # nothing has been closed yet


def test_a_session_is_cut_as_the_sessionizer_cuts_it() -> None:
    times = [0, 50, 100, 150, 200, 250, 300, 500, 510, 520]
    kinds = ["click"] * 8 + [SESSION_END, "click"]
    rows = [("u", "a1", f"e{n}", 1000 + time, kind) for n, (time, kind) in enumerate(zip(times, kinds, strict=True))]
    rows.append(rows[0])  # delivered twice
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event_id", "timestamp", "event_type"], orient="row")
    cut = with_sessions(events, SESSIONS)
    sizes = cut.group_by("session_id", maintain_order=True).len()["len"].to_list()
    assert sizes == [5, 2, 1, 1]  # max_events, silence, logout (not counted), the rest
    assert cut["event_id"].to_list() == [f"e{n}" for n in range(10) if n != 8]
