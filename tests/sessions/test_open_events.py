"""The open events of one user."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import SessionEvent
from mos_online.sessions import ClockState
from mos_online.sessions.offsets import Block
from mos_online.sessions.open_events import OpenEvents


def event(time: int, event_id: str = "e") -> SessionEvent:
    return SessionEvent(event_id=event_id, item_id="i", timestamp=time)


def block() -> Block:
    return Block(0, ClockState())


def test_add_says_whether_the_event_is_the_last_one() -> None:
    opened = OpenEvents("u")
    assert opened.add(event(10), block())
    assert opened.add(event(20), block())
    assert not opened.add(event(15), block())
    assert [e.timestamp for e in opened.events] == [10, 15, 20]


def test_events_of_the_same_time_are_ordered_by_their_id() -> None:
    opened = OpenEvents("u")
    for event_id in ("b", "c", "a"):
        opened.add(event(10, event_id), block())
    assert [e.event_id for e in opened.events] == ["a", "b", "c"]


def test_each_event_keeps_its_block_wherever_it_is_inserted() -> None:
    opened, early, late = OpenEvents("u"), block(), block()
    opened.add(event(20), early)
    opened.add(event(10), late)
    assert opened.blocks == [late, early]
    opened.cut(1)
    assert (early.open_events, late.open_events) == (1, 0)


def test_cut_takes_the_first_events_off() -> None:
    opened = OpenEvents("u")
    for time in (10, 20, 30):
        opened.add(event(time), block())
    assert [e.timestamp for e in opened.cut(2)] == [10, 20]
    assert [e.timestamp for e in opened.events] == [30]
    assert len(opened.blocks) == 1


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), max_size=60, unique=True), st.integers(0, 60))
def test_twins_have_the_time_and_the_id(given_events: list[tuple[int, int]], length: int) -> None:
    opened = OpenEvents("u")
    for time, number in given_events:
        assert opened.twins(event(time, f"e{number}")) == []
        opened.add(event(time, f"e{number}"), block())
    gone = opened.cut(min(length, len(given_events)))
    for time, number in given_events:
        one = event(time, f"e{number}")
        assert opened.twins(one) == ([] if one in gone else [one])


def test_events_of_joined_windows_are_brought_into_order_with_their_blocks() -> None:
    opened, blocks = OpenEvents("u"), [block() for _ in range(3)]
    opened.events = [event(20), event(10), event(15)]
    opened.blocks = list(blocks)
    opened.sort()
    assert [e.timestamp for e in opened.events] == [10, 15, 20]
    assert opened.blocks == [blocks[1], blocks[2], blocks[0]]
