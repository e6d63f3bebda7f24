"""A profile made offline equals the one that the stream makes of the same clicks."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from features.backfill import fill
from features.store import BATCH, OnlineStore
from mos_online.contracts import SESSION_END, Click, Heartbeat, Session
from mos_online.sessions import SessionConfig, Sessionizer
from mos_online.settings import Settings
from mos_online.themes import Routed
from mos_online.users.offline_profiles import of_users, past_sessions, profiles
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_session

CONFIG = SessionConfig(gap=100, lateness=0, max_events=4, max_duration=250, min_timestamp=0)
SIZES = RingSizes(recent=5, theme=3)
CATEGORIES = {"i0": "news", "i1": "sport", "i2": None}
ITEMS = pl.DataFrame({"item_id": list(CATEGORIES), "category": list(CATEGORIES.values())})


class Themes:
    """Routes by everything that a session has, so that any difference shows."""

    version = epoch = "r1"

    def at(self, event_time: int) -> Themes:
        assert event_time > 0
        return self

    def route(self, session: Session) -> Routed:
        seen = [f"{e.item_id}{e.timestamp}{e.event_type}{e.context}" for e in session.events]
        return Routed(sum(len(s) for s in seen) % 3, [float(len(seen))], [float(session.started_at)])

    def session_themes(
        self, item_ids: Sequence[str], categories: Sequence[str | None], lengths: Sequence[int]
    ) -> list[int]:
        assert not lengths, "a profile of one router is not routed again"
        return []


@st.composite
def logs(draw: st.DrawFn) -> list[Click]:
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 140), st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 9)), max_size=50
        )
    )
    clicks, now = [], 1000
    for number, (step, user, item, kind) in enumerate(steps):
        now += step
        category = CATEGORIES.get(f"i{item}")
        clicks.append(
            Click(
                user_id=user,
                event_id=f"e{number // 2 if kind == 1 else number:03}",  # some are delivered twice
                item_id=f"i{item}",
                timestamp=now,
                event_type=SESSION_END if kind == 0 else "click",
                context={"category": category} if category else None,
            )
        )
    first: dict[tuple[str, str], Click] = {}
    return [first.setdefault((c.user_id, c.event_id), c) for c in clicks]


def frame(clicks: list[Click]) -> pl.DataFrame:
    names = {"user_id": pl.String, "event_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
    schema = names | {"event_type": pl.String}
    return pl.DataFrame([{n: getattr(c, n) for n in schema} for c in clicks], schema=schema)


def streamed(clicks: list[Click]) -> dict[str, UserProfile]:
    sessionizer, router = Sessionizer(CONFIG, partition=0), Themes()
    out: dict[str, UserProfile] = {}
    messages: list[list[Click] | Heartbeat] = [*([c] for c in clicks), Heartbeat(heartbeat=10**6)]
    for offset, message in enumerate(messages):
        for session in sessionizer.process(message, offset=offset, arrived_at=10**9):
            assert isinstance(session, Session)
            before = out.get(session.user_id, UserProfile(user_id=session.user_id))
            out[session.user_id] = apply_session(before, session, router.route(session), router, SIZES)
    return out


@given(logs())
@hypothesis_settings(max_examples=200)
def test_offline_equals_streamed(clicks: list[Click]) -> None:
    # A repeated click may come again before the watermark passes it only.
    clicks = [c for n, c in enumerate(clicks) if c not in clicks[:n]]
    made = profiles(past_sessions(frame(clicks), ITEMS, CONFIG), Themes(), SIZES)
    assert {p.user_id: p for p in made} == streamed(clicks)


def click(user: str, timestamp: int) -> Click:
    return Click(user_id=user, event_id=f"{user}{timestamp}", item_id="i0", timestamp=timestamp)


LOG = frame([click("ann", 10), click("bob", 20), click("ann", 30), click("cid", 40)])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["ann10", "bob20", "ann30", "cid40"]),
        ({"users": ["ann", "nobody"]}, ["ann10", "ann30"]),
        ({"active_within": 10}, ["ann10", "ann30", "cid40"]),
        ({"active_within": 10, "users": ["ann", "bob"]}, ["ann10", "ann30"]),
    ],
)
def test_selection(options: dict[str, object], expected: list[str]) -> None:
    assert of_users(LOG, **options)["event_id"].to_list() == expected  # type: ignore[arg-type]


def test_repeated_item_rows_do_not_repeat_events() -> None:
    items = pl.concat([ITEMS, ITEMS])
    assert [len(s.events) for s in past_sessions(LOG, items, CONFIG)] == [2, 1, 1]


def test_fill_writes_all_and_merges_into_what_is_there(mos_home: Settings) -> None:
    log = frame([click(f"u{n}", 10) for n in range(BATCH + 7)])
    made = list(profiles(past_sessions(log, ITEMS, CONFIG), Themes(), SIZES))
    own = {user: [one for one in made if one.user_id == user] for user in ("u3", "u5")}
    later = {p.user_id: p for p in profiles(past_sessions(frame([click("u3", 900)]), ITEMS, CONFIG), Themes(), SIZES)}
    store = OnlineStore.open(mos_home)
    store.write_profiles([later["u3"], *own["u5"]])
    steps: list[int] = []
    assert fill(store, iter(made), Themes(), SIZES, advance=steps.append) == len(made) - 1  # u5 had all of it
    assert steps == [BATCH, 7]
    both = list(profiles(past_sessions(frame([click("u3", 10), click("u3", 900)]), ITEMS, CONFIG), Themes(), SIZES))
    assert store.read_profiles(["u3", "u5"]) == {"u3": both[0], "u5": own["u5"][0]}
    assert fill(store, iter(made), Themes(), SIZES, advance=steps.append) == 0
