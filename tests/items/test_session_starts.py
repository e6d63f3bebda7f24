"""Which clicks begin sessions, beside a definition that remembers everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mos_online.items.session_starts import SessionStarts

GAP = 100


def defined(clicks: list[tuple[str, int]]) -> list[bool]:
    """A click begins a session if it is more than a gap after its user's newest click until then."""
    newest: dict[str, int] = {}
    found = []
    for user, time in clicks:
        found.append(user not in newest or time - newest[user] > GAP)
        newest[user] = max(time, newest.get(user, time))
    return found


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 150)), max_size=60))
def test_clicks_in_order_of_time_are_told_as_defined(steps: list[tuple[str, int]]) -> None:
    now, clicks = 0, []
    for user, step in steps:
        now += step
        clicks.append((user, now))
    starts = SessionStarts(GAP)
    assert [starts.note(user, time) for user, time in clicks] == defined(clicks)


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 60), st.integers(0, GAP)), max_size=60))
def test_clicks_that_come_up_to_a_gap_late_are_told_as_defined(steps: list[tuple[str, int, int]]) -> None:
    now, clicks = 1000, []
    for user, step, late in steps:
        now += step
        clicks.append((user, now - late))
    starts = SessionStarts(GAP)
    assert [starts.note(user, time) for user, time in clicks] == defined(clicks)


def test_a_click_that_comes_late_begins_nothing() -> None:
    starts = SessionStarts(GAP)
    late = [starts.note("u", time) for time in (10 * GAP, GAP, GAP + 1, 11 * GAP, 11 * GAP + 1)]
    assert late == [True, False, False, False, False]


def test_memory_is_bounded_and_the_newest_users_are_remembered() -> None:
    starts = SessionStarts(GAP, remembered=50)
    for number in range(10_000):
        assert starts.note(f"u{number}", 7)
        assert len(starts) <= 100
    assert not any(starts.note(f"u{number}", 8) for number in range(9_999, 9_949, -1))


def test_users_who_are_long_gone_are_forgotten() -> None:
    starts = SessionStarts(GAP)
    for number in range(1000):
        starts.note(f"u{number}", number * GAP)
    assert len(starts) < 10
