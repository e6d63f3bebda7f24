"""Sessions by the publisher's ids: the stream, training, backfill and the oracle cut the same ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import SESSION_END, Click, Heartbeat, Session, SessionEvent
from mos_online.errors import DatasetError
from mos_online.model.batch import History, collate
from mos_online.sessions import SessionConfig, Sessionizer, offline_sessions
from mos_online.themes import Router, RouterConfig, TableConfig, fit_router
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog, with_sessions
from mos_online.training.routing import themes_of_events
from mos_online.training.sequence_log import SequenceLog
from mos_online.users.offline_profiles import past_sessions
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_session
from mos_online.users.view import view_by
from tests.training.test_histories import rings_of

RULES = SessionConfig(gap=100, max_events=4, max_duration=250, min_timestamp=0, publisher_ids=True)
BY_GAP = replace(RULES, max_events=500, max_duration=10**9)
ITEMS = [f"{group}{n}" for group in "ab" for n in range(12)]
CATEGORY = {item: item[0] for item in ITEMS}
ITEM_FRAME = pl.DataFrame({"item_id": ITEMS, "title": ITEMS, "category": [CATEGORY[i] for i in ITEMS]})
SCHEMA = {
    "user_id": pl.String,
    "item_id": pl.String,
    "event_id": pl.String,
    "timestamp": pl.Int64,
    "event_type": pl.String,
    "session_id": pl.String,
}
CATALOGUE = Catalogue.of(ITEMS, CATEGORY)
SIZES = RingSizes(recent=5, theme=3)


def fitted() -> Router:
    """Two planted groups of items that never share a session."""
    rows = [(f"s{g}{n}", f"{g}{(n + k) % 12}") for g in "ab" for n in range(40) for k in (0, 1, 3)]
    events = pl.DataFrame(rows, schema=["session_id", "item_id"], orient="row")
    return fit_router(events, ITEM_FRAME, RouterConfig(themes=2, table=TableConfig(dimensions=4, min_sessions=2)))


ROUTER = fitted()


@st.composite
def logs(draw: st.DrawFn, *, ends: bool = True) -> pl.DataFrame:
    """Interleaved sessions of two users; some events without an id, some ids in two sessions, some logouts, repeats."""
    kind = st.sampled_from(["click"] * 5 + [SESSION_END] * ends)
    name = st.sampled_from(["phone", "desk", "", None])
    step = st.tuples(
        st.sampled_from("uv"), name, st.integers(1, 60) | st.integers(101, 130), st.sampled_from(ITEMS), kind
    )
    rows, now = [], 1000
    for number, (user, session, after, item, event_type) in enumerate(draw(st.lists(step, min_size=1, max_size=40))):
        now += after
        event = f"e{number:02}" if not ends or number % 5 else "shared"
        rows.append((user, item, event, now, event_type, session))
    return pl.DataFrame(rows + rows[:1], schema=SCHEMA, orient="row")


def of_the_stream(events: pl.DataFrame, rules: SessionConfig) -> list[tuple[str, list[str], list[str]]]:
    """Sessions of the sessionizer: id, items and times of the events."""
    sessionizer = Sessionizer(rules, partition=0)
    closed = []
    for offset, row in enumerate(events.sort("timestamp", maintain_order=True).to_dicts()):
        closed += sessionizer.process([Click(**row)], offset=offset, arrived_at=10**6)
    closed += sessionizer.process(Heartbeat(heartbeat=10**6), offset=len(events), arrived_at=10**6)
    return described([session for session in closed if isinstance(session, Session)])


def described(sessions: list[Session]) -> list[tuple[str, list[str], list[str]]]:
    return sorted(
        (s.session_id, [e.item_id for e in s.events], [f"{e.timestamp} {e.session_id}" for e in s.events])
        for s in sessions
    )


@settings(deadline=None)
@given(logs(), st.booleans())
def test_all_cut_the_same_sessions(events: pl.DataFrame, by_ids: bool) -> None:
    rules = replace(RULES, publisher_ids=by_ids)
    stream = of_the_stream(events, rules)
    assert described(list(past_sessions(events, ITEM_FRAME, rules))) == stream
    oracle = offline_sessions(events, rules)
    assert sorted(oracle.select("session_id", "item_ids").rows()) == [(name, items) for name, items, _ in stream]
    trained = with_sessions(events, rules)
    assert not trained["event_type"].is_in([SESSION_END]).any()
    sizes = dict(trained.group_by("session_id").agg(pl.len()).rows())
    kinds = dict(zip(events["timestamp"].to_list(), events["event_type"].to_list(), strict=True))
    expected = {name: sum(kinds[int(one.split()[0])] != SESSION_END for one in times) for name, _, times in stream}
    assert sizes == {name: size for name, size in expected.items() if size}


@settings(deadline=None)
@given(logs(ends=False), st.data())
def test_training_reads_closed_sessions_and_the_open_one(events: pl.DataFrame, data: st.DataObject) -> None:
    cut = with_sessions(events, BY_GAP)
    log = SequenceLog(cut, CATALOGUE, themes_of_events(cut, ROUTER, CATEGORY), ROUTER.n_themes)
    chosen = data.draw(st.lists(st.integers(0, len(cut) - 1), min_size=1, max_size=5))
    made = log.batch(np.array(chosen, np.int64), recent=SIZES.recent, ring=SIZES.theme)
    expected = collate([streamed(events, cut.row(number, named=True)) for number in chosen])
    assert made.mask.tolist() == expected.mask.tolist()
    assert made.items.tolist() == expected.items.tolist()
    assert made.ages.tolist() == expected.ages.tolist()
    assert rings_of(made) == rings_of(expected)


def streamed(events: pl.DataFrame, row: dict[str, Any]) -> History:
    """By way of the profile: sessions that have ended are applied, and the events of the row's own one are appended."""
    profile, opened = UserProfile(user_id=row["user_id"]), list[SessionEvent]()
    for session in past_sessions(events.filter(pl.col("user_id") == row["user_id"]), ITEM_FRAME, BY_GAP):
        if session.session_id == row["session_id"]:
            opened = [event for event in session.events if event.timestamp < row["timestamp"]]
        elif session.ended_at < row["timestamp"]:
            profile = apply_session(profile, session, ROUTER.route(session), ROUTER, SIZES)
    view = view_by(profile, ROUTER, SIZES)
    rows, times = [CATALOGUE.rows[item] for item in profile.item_ids], profile.timestamps
    items = [rows[n] for n in view.recent] + [CATALOGUE.rows[event.item_id] for event in opened]
    when = [times[n] for n in view.recent] + [event.timestamp for event in opened]
    return History(
        items=np.array(items[-SIZES.recent :], np.int64),
        times=np.array(when[-SIZES.recent :], np.int64),
        now=row["timestamp"],
        rings={
            theme: (np.array(rows, np.int64)[ring], np.array(times, np.int64)[ring])
            for theme, ring in view.rings.items()
        },
        theme_sessions=view.theme_sessions,
    )


@given(logs())
def test_sessions_are_numbered_by_their_first_event(events: pl.DataFrame) -> None:
    log = ClickLog.cut(events, ITEM_FRAME, RULES)
    seen: list[str] = []
    for number, name in zip(log.sessions.tolist(), log.events["session_id"].to_list(), strict=True):
        if name not in seen:
            seen.append(name)
        assert seen[number] == name


def test_events_without_the_column_are_an_error() -> None:
    events = pl.DataFrame([("u", "a0", "e", 5, "click", None)], schema=SCHEMA, orient="row").drop("session_id")
    assert len(list(past_sessions(events, ITEM_FRAME, replace(RULES, publisher_ids=False)))) == 1
    for cut in (offline_sessions, with_sessions, lambda frame, rules: list(past_sessions(frame, ITEM_FRAME, rules))):
        with pytest.raises(DatasetError, match=r"no column session_id.*MOS_SESSION_PUBLISHER_IDS=false"):
            cut(events, RULES)
