"""What the model is trained on equals what the stream would have held: ids, times, rings, visits."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.model.batch import Batch, History, collate
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, TableConfig, fit_router
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import with_sessions
from mos_online.training.routing import themes_of_events
from mos_online.training.sequence_log import SequenceLog
from mos_online.users.offline_profiles import past_sessions
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_session
from mos_online.users.view import view_by

CONFIG = SessionConfig(gap=100, max_events=6, min_timestamp=0)
ITEMS = [f"{group}{n}" for group in "ab" for n in range(12)]
CATEGORY = {item: item[0] for item in ITEMS}
ITEM_FRAME = pl.DataFrame({"item_id": ITEMS, "title": ITEMS, "category": [CATEGORY[i] for i in ITEMS]})
RECENT, RING = 5, 3


def fitted_router() -> Router:
    """Two planted groups of items that never share a session."""
    rows = [(f"s{g}{n}", f"{g}{(n + k) % 12}") for g in "ab" for n in range(40) for k in (0, 1, 3)]
    events = pl.DataFrame(rows, schema=["session_id", "item_id"], orient="row")
    return fit_router(events, ITEM_FRAME, RouterConfig(themes=2, table=TableConfig(dimensions=4, min_sessions=2)))


ROUTER = fitted_router()
CATALOGUE = Catalogue.of(ITEMS, CATEGORY)
ROWS = {item: row for row, item in enumerate(ITEMS, 1)}


def laid_out(events: pl.DataFrame) -> SequenceLog:
    return SequenceLog(events, CATALOGUE, themes_of_events(events, ROUTER, CATEGORY), ROUTER.n_themes)


@st.composite
def logs(draw: st.DrawFn) -> pl.DataFrame:
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from("uvw"), st.integers(1, 160), st.sampled_from(ITEMS)), min_size=2, max_size=40
        )
    )
    rows, now = [], 1000
    for number, (user, step, item) in enumerate(steps):
        now += step
        rows.append((user, item, f"e{number:03}", now, "click"))
    return pl.DataFrame(rows, schema=["user_id", "item_id", "event_id", "timestamp", "event_type"], orient="row")


def streamed(events: pl.DataFrame, user: str, at: int) -> History:
    """The history by way of the profile: sessions closed before, one by one, and the open session's events."""
    profile, sizes = UserProfile(user_id=user), RingSizes(recent=RECENT, theme=RING)
    open_items: list[str] = []
    open_times: list[int] = []
    for session in past_sessions(events.filter(pl.col("user_id") == user), ITEM_FRAME, CONFIG):
        if session.ended_at < at:
            profile = apply_session(profile, session, ROUTER.route(session), ROUTER, sizes)
        elif session.started_at <= at:
            before = [event for event in session.events if event.timestamp < at]
            open_items, open_times = [e.item_id for e in before], [e.timestamp for e in before]
    view = view_by(profile, ROUTER, sizes)
    kept, kept_times = [ROWS[item] for item in profile.item_ids], profile.timestamps
    items = [kept[n] for n in view.recent] + [ROWS[item] for item in open_items]
    times = [kept_times[n] for n in view.recent] + open_times
    return History(
        items=np.array(items[-RECENT:], np.int64),
        times=np.array(times[-RECENT:], np.int64),
        now=at,
        rings={
            theme: (np.array(kept, np.int64)[ring], np.array(kept_times, np.int64)[ring])
            for theme, ring in view.rings.items()
        },
        theme_sessions=view.theme_sessions,
    )


def rings_of(batch: Batch) -> dict[tuple[int, int], tuple[list[int], list[float], float]]:
    found = {}
    for row in range(len(batch.ring_user)):
        kept = batch.ring_mask[row]
        key = int(batch.ring_user[row]), int(batch.ring_theme[row])
        found[key] = (
            batch.ring_items[row][kept].tolist(),
            batch.ring_ages[row][kept].tolist(),
            float(batch.ring_sessions[row]),
        )
    return found


@pytest.mark.slow
@given(logs(), st.data())
@settings(max_examples=150, deadline=None)
def test_training_sees_what_the_stream_held(events: pl.DataFrame, data: st.DataObject) -> None:
    cut = with_sessions(events, CONFIG)
    log = laid_out(cut)
    chosen = data.draw(st.lists(st.integers(0, len(cut) - 1), min_size=1, max_size=5))
    made = log.batch(torch.tensor(chosen).numpy(), recent=RECENT, ring=RING)
    expected = collate([streamed(events, cut["user_id"][n], cut["timestamp"][n]) for n in chosen])
    assert torch.equal(made.mask, expected.mask)
    assert torch.equal(made.items, expected.items)
    assert torch.equal(made.ages, expected.ages)
    assert rings_of(made) == rings_of(expected)


@given(logs(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_future_does_not_matter(events: pl.DataFrame, data: st.DataObject) -> None:
    cut = with_sessions(events, CONFIG)
    position = data.draw(st.integers(0, len(cut) - 1))
    user, at, event_id = cut["user_id"][position], cut["timestamp"][position], cut["event_id"][position]
    shorter = with_sessions(events.filter(pl.col("timestamp") <= at), CONFIG)
    again = int(shorter.with_row_index("n").filter(pl.col("event_id") == event_id)["n"][0])
    whole, part = (
        laid_out(frame).batch(torch.tensor([n]).numpy(), recent=RECENT, ring=RING)
        for frame, n in ((cut, position), (shorter, again))
    )
    assert user == shorter["user_id"][again]
    assert torch.equal(whole.items, part.items)
    assert torch.equal(whole.ages, part.ages)
    assert rings_of(whole) == rings_of(part)
