"""The update of a profile by closed sessions, without Kafka."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import SESSION_END, Context, Scalar, Session, SessionEvent
from mos_online.themes import Router
from mos_online.themes.timeline import InForce, RouterTimeline
from mos_online.users.offline_profiles import profiles
from mos_online.users.profile import UserProfile
from mos_online.users.retention import dropped_sessions
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from mos_online.users.view import view_by

SIZES = RingSizes(recent=2, theme=2)


def router(*, swapped: bool = False) -> Router:
    axes = np.eye(2, dtype=np.float32)
    return Router(
        items=["a", "b"],
        table=axes,
        prototypes=axes[::-1] if swapped else axes,
        category_rows=["news"],
        category_table=axes[:1],
        categories={},
        tau=0.5,
        labels=["unrouted", "x", "y"],
        config={},
    )


def session(user: str, items: str, time: int, *, category: Scalar = None, end: bool = False) -> Session:
    context: Context | None = {"category": category} if category is not None else None
    events = [
        SessionEvent(event_id=f"{item}{time + n}", item_id=item, timestamp=time + n, context=context)
        for n, item in enumerate(items)
    ]
    if end:
        stop = time + len(items)
        events.append(SessionEvent(event_id=f"end{time}", item_id="x", timestamp=stop, event_type=SESSION_END))
    return Session(
        session_id=f"{user}:{time}:{events[0].event_id}",
        user_id=user,
        started_at=time,
        ended_at=events[-1].timestamp,
        events=events,
        close_reason="end_event" if end else "gap",
        watermark=events[-1].timestamp + 1,
    )


def test_sessions_of_one_user_in_one_batch_build_on_each_other() -> None:
    changed, embeddings = apply_sessions(
        [session("u", "a", 1), session("u", "b", 100), session("v", "b", 50)], {}, router(), SIZES
    )
    assert changed["u"].item_ids == ["a", "b"]
    assert changed["u"].session_themes == [1, 2]
    assert changed["u"].theme_sessions == {1: 1, 2: 1}
    assert (changed["u"].session_count, changed["u"].last_ended_at, changed["u"].last_closed_at) == (2, 100, 101)
    assert [e.theme for e in embeddings] == [1, 2, 2]
    assert changed["v"].embedding == embeddings[2].embedding == [0.0, 1.0]


def test_a_repeat_changes_nothing_but_is_embedded_again() -> None:
    first = session("u", "a", 1)
    profiles, embeddings = apply_sessions([first], {}, router(), SIZES)
    assert apply_sessions([first], profiles, router(), SIZES) == ({}, embeddings)
    changed, again = apply_sessions([first], profiles, router(swapped=True), SIZES)
    assert changed == {}
    assert again[0].theme == 2


def test_a_session_that_nothing_needs_any_more_goes_as_a_whole() -> None:
    sessions = [session("u", "aaa", 0), session("u", "b", 10), session("u", "a", 20), session("u", "aa", 30)]
    three, _ = apply_sessions(sessions[:3], {}, router(), SIZES)
    assert three["u"].session_lengths == [3, 1, 1]  # the first still covers the last two events of its theme
    four, _ = apply_sessions(sessions, {}, router(), SIZES)
    assert (four["u"].item_ids, four["u"].timestamps) == (["b", "a", "a"], [10, 30, 31])
    assert four["u"].session_lengths == [1, 2]
    assert four["u"].theme_sessions == {1: 3, 2: 1}


def test_unrouted_sessions_are_kept_for_the_next_router() -> None:
    sessions = [session("u", "?", 0), session("u", "a", 10), session("u", "b", 20), session("u", "b", 30)]
    made, _ = apply_sessions(sessions, {}, router(), SIZES)
    assert made["u"].session_themes == [0, 1, 2, 2]


def test_logouts_are_no_events_and_a_session_of_nothing_else_is_counted_only() -> None:
    made, embeddings = apply_sessions(
        [session("u", "a", 1, end=True), session("u", "", 10, end=True)], {}, router(), SIZES
    )
    assert (made["u"].item_ids, made["u"].session_lengths) == (["a"], [1])
    assert (made["u"].session_count, made["u"].theme_sessions) == (2, {1: 1, 0: 1})
    assert made["u"].last_ended_at == 10
    assert embeddings[1].theme == 0


def test_the_category_is_the_one_that_the_event_named() -> None:
    made, embeddings = apply_sessions(
        [session("u", "?", 1, category="news"), session("u", "?", 10, category=7)], {}, router(), SIZES
    )
    assert made["u"].categories == ["news", None]
    assert [e.theme for e in embeddings] == [1, 0]


def test_another_router_routes_the_kept_sessions_before_it_adds_one() -> None:
    old, _ = apply_sessions([session("u", "a", 1), session("u", "b", 100)], {}, router(), SIZES)
    new, _ = apply_sessions([session("u", "b", 200)], old, router(swapped=True), SIZES)
    assert new["u"].router_epoch == router(swapped=True).epoch != old["u"].router_epoch
    assert new["u"].session_themes == [2, 1, 1]
    assert (new["u"].theme_sessions, new["u"].session_count) == ({2: 1, 1: 2}, 3)


def revision(base: Router) -> Router:
    """Of the epoch of ``base``; it has changed its mind about all items."""
    swapped = router(swapped=True).tensors()
    return base.revised(base.items, swapped["table"], prototypes=swapped["prototypes"], tau=base.tau, sequence=1)


def test_a_revision_of_the_epoch_leaves_the_themes_of_earlier_sessions() -> None:
    """Its ids mean the same, so nothing is routed again: neither by who writes a profile nor by who reads it."""
    old, _ = apply_sessions([session("u", "a", 1), session("u", "b", 100)], {}, router(), SIZES)
    later = revision(router())
    assert later.route(session("u", "a", 1)).theme == 2
    assert view_by(old["u"], later, SIZES).rings.keys() == {1, 2}
    assert view_by(old["u"], later, SIZES).theme_sessions == old["u"].theme_sessions == {1: 1, 2: 1}
    new, (embedding,) = apply_sessions([session("u", "b", 200)], old, later, SIZES)
    assert new["u"].session_themes == [1, 2, 1]
    assert (new["u"].theme_sessions, new["u"].router_epoch) == ({1: 2, 2: 1}, router().version)
    assert embedding.router_version == later.version


def test_each_session_is_routed_by_the_revision_that_was_in_force_when_it_could_close() -> None:
    later = revision(router())
    begins = InForce(sequence=1, version=later.version, effective_from=session("u", "b", 100).watermark)
    timeline = RouterTimeline(router(), [begins], lambda _: later)
    closed = [session("u", "b", 1), session("u", "b", 100), session("u", "b", 200)]
    made, embeddings = apply_sessions(closed, {}, timeline, SIZES)
    assert made["u"].session_themes == [e.theme for e in embeddings] == [2, 1, 1]
    assert [e.router_version for e in embeddings] == [router().version, later.version, later.version]
    (replayed,) = profiles(closed, timeline, SIZES)
    assert replayed == made["u"]


def test_a_view_reads_the_last_events_of_each_theme() -> None:
    made, _ = apply_sessions(
        [session("u", "aab", 0), session("u", "b", 10), session("u", "a", 20)], {}, router(), SIZES
    )
    view = view_by(made["u"], router(), SIZES)
    assert {theme: ring.tolist() for theme, ring in view.rings.items()} == {1: [2, 4], 2: [3]}
    assert view.recent.tolist() == [3, 4]
    other = view_by(made["u"], router(swapped=True), RingSizes(recent=99, theme=1))
    assert {theme: ring.tolist() for theme, ring in other.rings.items()} == {2: [4], 1: [3]}
    assert other.recent.tolist() == [0, 1, 2, 3, 4]
    nothing = view_by(UserProfile(user_id="new"), router(), SIZES)
    assert (nothing.rings, nothing.theme_sessions, len(nothing.recent)) == ({}, {}, 0)


HISTORIES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40)


@given(HISTORIES, st.integers(1, 9), st.integers(1, 5))
def test_dropping_after_each_session_is_dropping_once_at_the_end(
    history: list[tuple[int, int]], recent: int, theme: int
) -> None:
    sizes = RingSizes(recent=recent, theme=theme)
    kept: list[int] = []
    for number in range(len(history)):
        kept.append(number)
        chosen = [history[n] for n in kept]
        for place in dropped_sessions([n for n, _ in chosen], [t for _, t in chosen], sizes):
            del kept[place]
    dropped = dropped_sessions([n for n, _ in history], [t for _, t in history], sizes)
    assert kept == [n for n in range(len(history)) if n not in dropped]


@given(HISTORIES, st.integers(1, 9), st.integers(1, 5))
def test_what_is_kept_covers_the_rings_and_is_bounded(history: list[tuple[int, int]], recent: int, theme: int) -> None:
    lengths, themes = [n for n, _ in history], [t for _, t in history]
    dropped = dropped_sessions(lengths, themes, RingSizes(recent=recent, theme=theme))
    kept = [n for n in range(len(history)) if n not in dropped]
    names = [[(number, event) for event in range(length)] for number, length in enumerate(lengths)]

    def last(count: int, among: list[int], of: int | None) -> list[tuple[int, int]]:
        return [name for n in among if of is None or themes[n] == of for name in names[n]][-count:]

    everything = list(range(len(history)))
    assert last(recent, kept, None) == last(recent, everything, None)
    for one in range(4):
        assert last(theme, kept, one) == last(theme, everything, one)
    longest = max(lengths, default=0)
    assert sum(lengths[n] for n in kept) <= recent - 1 + longest + 4 * (theme - 1 + longest)


def test_the_newest_event_may_be_of_an_earlier_session() -> None:
    # Of two publisher sessions that overlap, the one that ended first may close last.
    cut_short, silent = session("u", "aaa", 10), msgspec.structs.replace(session("u", "b", 5), watermark=99)
    made, _ = apply_sessions([cut_short, silent], {}, router(), SIZES)
    assert (made["u"].session_count, made["u"].last_ended_at, made["u"].last_closed_at) == (2, 12, 99)


def test_a_profile_does_not_share_lists_with_the_one_before() -> None:
    old, _ = apply_sessions([session("u", "a", 1)], {}, router(), SIZES)
    before = msgspec.json.encode(old["u"])
    apply_sessions([session("u", "b", 100)], old, router(), SIZES)
    assert msgspec.json.encode(old["u"]) == before
