"""Session windows alone: when sessions of literal times close, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mos_online.contracts import Click, Session
from mos_online.sessions import ClockState, SessionConfig
from mos_online.sessions.offsets import Block
from mos_online.sessions.windows import SessionWindows

CONFIG = SessionConfig(gap=100, max_events=3, max_duration=250)


def windows(*times: int, config: SessionConfig = CONFIG, key: str = "u") -> SessionWindows:
    """Windows with a click ``e<time>`` of one user at each of ``times``, added in that order."""
    made = SessionWindows(config)
    for time in times:
        add(made, time, key)
    return made


def add(to: SessionWindows, time: int, key: str = "u", *, event_type: str = "click") -> Block:
    block = Block(0, ClockState())
    to.add(key, Click(event_id=f"e{time}", user_id=key, item_id="i", timestamp=time, event_type=event_type), block)
    return block


def described(sessions: list[Session]) -> list[tuple[str, list[int], int]]:
    return [(s.close_reason, [e.timestamp for e in s.events], s.watermark) for s in sessions]


def test_a_session_is_open_at_a_watermark_that_an_event_at_exactly_the_gap_could_still_have() -> None:
    assert windows(1000).close(1100) == []


def test_a_session_closes_one_millisecond_after_the_gap() -> None:
    assert described(windows(1000).close(1101)) == [("gap", [1000], 1101)]


def test_a_session_is_closed_once() -> None:
    w = windows(1000)
    assert len(w.close(1101)) == 1
    assert w.close(5000) == []


def test_a_silence_of_exactly_the_gap_keeps_two_events_together() -> None:
    assert described(windows(1000, 1100).close(5000)) == [("gap", [1000, 1100], 1201)]


def test_a_silence_longer_than_the_gap_makes_two_sessions() -> None:
    assert described(windows(1000, 1101).close(5000)) == [("gap", [1000], 1101), ("gap", [1101], 1202)]


def test_an_event_in_the_middle_joins_two_runs_into_one_session() -> None:
    assert described(windows(1000, 1150, 1075).close(5000)) == [("max_events", [1000, 1075, 1150], 1151)]


def test_an_older_event_becomes_the_first_of_its_session() -> None:
    (session,) = windows(1000, 950).close(5000)
    assert (session.session_id, session.started_at, session.ended_at) == ("u:950:e950", 950, 1000)


def test_an_end_event_closes_the_session_as_soon_as_nothing_can_come_before_it() -> None:
    w = windows(1000)
    add(w, 1010, event_type="session_end")
    assert w.close(1010) == []
    assert described(w.close(1011)) == [("end_event", [1000, 1010], 1011)]


def test_the_largest_number_of_events_closes_the_session() -> None:
    w = windows(1000, 1001, 1002)
    assert w.close(1002) == []
    assert described(w.close(1003)) == [("max_events", [1000, 1001, 1002], 1003)]


def test_an_older_event_pushes_the_last_one_out_of_a_full_session() -> None:
    w = windows(1000, 1001, 1002, 999)
    assert described(w.close(1002)) == [("max_events", [999, 1000, 1001], 1002)]
    assert described(w.close(5000)) == [("gap", [1002], 1103)]


def test_an_event_at_exactly_the_longest_duration_belongs_to_the_session() -> None:
    few = replace(CONFIG, max_events=500)
    w = windows(1000, 1090, 1180, 1250, config=few)
    assert w.close(1250) == []
    assert described(w.close(1251)) == [("max_duration", [1000, 1090, 1180, 1250], 1251)]


def test_an_event_after_the_longest_duration_opens_another_session() -> None:
    few = replace(CONFIG, max_events=500)
    w = windows(1000, 1090, 1180, 1251, config=few)
    assert described(w.close(5000)) == [("max_duration", [1000, 1090, 1180], 1251), ("gap", [1251], 1352)]


def test_sessions_come_out_in_the_order_in_which_they_could_close() -> None:
    w = SessionWindows(CONFIG)
    for time, key in ((1000, "b"), (1200, "b"), (1000, "a"), (1050, "c")):
        add(w, time, key)
    assert [(s.watermark, s.user_id) for s in w.close(5000)] == [(1101, "a"), (1101, "b"), (1151, "c"), (1301, "b")]


def test_events_with_different_keys_never_share_a_session() -> None:
    w = windows(1000)
    add(w, 1001, "v")
    assert [s.session_id for s in w.close(5000)] == ["u:1000:e1000", "v:1001:e1001"]


def test_an_event_is_taken_once_while_its_session_is_open() -> None:
    w = windows(1000, 1000)
    assert (w.open_events, w.duplicates) == (1, 1)
    assert described(w.close(5000)) == [("gap", [1000], 1101)]


def test_a_repeated_event_is_found_among_many() -> None:
    w = windows(*range(1000, 1100), *range(1000, 1100), config=replace(CONFIG, max_events=500))
    assert (w.open_events, w.duplicates) == (100, 100)


def test_a_block_counts_its_events_until_their_session_closes() -> None:
    w = windows()
    first, second = add(w, 1000), add(w, 1150)
    assert (first.open_events, second.open_events) == (1, 1)
    w.close(1200)
    assert (first.open_events, second.open_events) == (0, 1)


def test_a_repeated_event_is_not_counted_by_its_block() -> None:
    w = windows(1000)
    assert add(w, 1000).open_events == 0


def test_the_next_deadline_is_where_the_first_session_may_close() -> None:
    w = windows(1000)
    assert w.next_deadline == 1101
    add(w, 900, "v")
    assert w.next_deadline == 1001


def test_a_deadline_moves_on_when_the_session_has_grown() -> None:
    w = windows(1000, 1050)
    assert w.close(1101) == []
    assert w.next_deadline == 1151


def test_nothing_is_kept_of_a_session_that_a_gap_has_closed() -> None:
    w = windows(1000)
    w.close(1101)
    assert (len(w), w.open_events, w.floors(), w.next_deadline) == (0, 0, {}, None)


def test_the_end_of_a_session_that_was_cut_is_kept_until_the_gap_after_it_is_over() -> None:
    w = windows(1000, 1001, 1002)
    w.close(1003)
    assert w.floors() == {"u": (1002, "e1002")}
    w.close(1102)
    assert w.floors() == {"u": (1002, "e1002")}
    w.close(1103)
    assert (len(w), w.floors()) == (0, {})


def test_restored_floors_are_dropped_when_the_gap_after_them_is_over() -> None:
    w = SessionWindows(CONFIG)
    w.restore_floors({"u": (1002, "e1002")})
    assert w.floors() == {"u": (1002, "e1002")}
    w.close(1103)
    assert (len(w), w.floors()) == (0, {})


def test_a_restored_floor_leaves_the_open_events_of_its_user_alone() -> None:
    w = windows(1050)
    w.restore_floors({"u": (1002, "e1002")})
    assert described(w.close(5000)) == [("gap", [1050], 1151)]


@pytest.mark.parametrize(("gap", "expected"), [(40, [[1000], [1050]]), (100, [[1000, 1050]])])
def test_open_events_are_cut_by_changed_rules(gap: int, expected: list[list[int]]) -> None:
    w = windows(1000, 1050)
    w.change_rules(replace(CONFIG, gap=gap))
    assert [[e.timestamp for e in s.events] for s in w.close(5000)] == expected


def test_a_shorter_gap_closes_a_session_earlier() -> None:
    w = windows(1000)
    w.change_rules(replace(CONFIG, gap=40))
    assert described(w.close(1041)) == [("gap", [1000], 1041)]


def test_a_session_keeps_what_the_click_had() -> None:
    w = SessionWindows(replace(CONFIG, revision=7))
    click = Click(
        event_id="e",
        user_id="u",
        item_id="i",
        timestamp=1000,
        event_type="buy",
        session_id="s",
        request_id="r",
        context={"page": 3},
    )
    w.add("some key", click, Block(0, ClockState()))
    (session,) = w.close(5000)
    (event,) = session.events
    assert (session.user_id, session.revision) == ("u", 7)
    assert (event.event_id, event.item_id, event.timestamp) == ("e", "i", 1000)
    assert (event.event_type, event.session_id, event.request_id) == ("buy", "s", "r")
    assert event.context == {"page": 3}


def test_a_longest_duration_shorter_than_the_gap_closes_a_session_of_one_event() -> None:
    assert described(windows(1000, config=replace(CONFIG, max_duration=50)).close(1051)) == [
        ("max_duration", [1000], 1051)
    ]
