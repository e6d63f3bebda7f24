"""The profiler's rule, without Kafka."""

from __future__ import annotations

import numpy as np

from mos_online.contracts import Session, SessionEvent
from mos_online.themes.router import Router
from mos_online.users.profile import RingSizes
from mos_online.users.update import profile_sessions, rerouted

SIZES = RingSizes(recent=10, theme=5)


def router(*, swapped: bool = False) -> Router:
    axes = np.eye(2, dtype=np.float32)
    return Router(
        items=["a", "b"],
        table=axes,
        prototypes=axes[::-1] if swapped else axes,
        category_rows=[],
        category_table=np.zeros((0, 2), np.float32),
        categories={},
        tau=0.5,
        labels=["unrouted", "x", "y"],
        config={},
    )


def session(user: str, item: str, time: int) -> Session:
    event = SessionEvent(event_id=f"{item}{time}", item_id=item, timestamp=time)
    return Session(
        session_id=f"{user}:{time}:{event.event_id}",
        user_id=user,
        started_at=time,
        ended_at=time,
        events=[event],
        close_reason="gap",
        watermark=time + 1,
    )


def test_sessions_of_one_user_in_one_batch_build_on_each_other() -> None:
    changed, embeddings = profile_sessions(
        [session("u", "a", 1), session("u", "b", 100), session("v", "b", 50)], {}, router(), SIZES, gap=10
    )
    assert changed["u"].recent.item_ids == ["a", "b"]
    assert changed["u"].theme_sessions == {1: 1, 2: 1}
    assert [e.theme for e in embeddings] == [1, 2, 2]


def test_a_repeat_writes_nothing_but_is_embedded_again() -> None:
    first = session("u", "a", 1)
    profiles, embeddings = profile_sessions([first], {}, router(), SIZES, gap=10)
    assert profile_sessions([first], profiles, router(), SIZES, gap=10) == ({}, embeddings)


def test_a_profile_of_another_router_is_routed_anew() -> None:
    old, _ = profile_sessions([session("u", "a", 1), session("u", "b", 100)], {}, router(), SIZES, gap=10)
    new = rerouted(old["u"], router(swapped=True), SIZES, gap=10)
    assert new.router_version == router(swapped=True).version != old["u"].router_version
    assert (new.themes[2].item_ids, new.themes[1].item_ids) == (["a"], ["b"])
    assert (new.recent, new.sessions, new.last_session_id) == (old["u"].recent, 2, old["u"].last_session_id)
