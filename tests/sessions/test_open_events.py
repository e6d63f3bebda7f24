"""The open events of one user."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import SessionEvent
from mos_online.sessions import ClockState
from mos_online.sessions.offsets import Block
from mos_online.sessions.open_events import FEW, OpenEvents


def event(time: int, event_id: str = "e") -> SessionEvent:
    return SessionEvent(event_id=event_id, item_id="i", timestamp=time)


def block() -> Block:
    return Block(0, ClockState())


def test_add_says_whether_the_event_is_the_last_one() -> None:
    opened = OpenEvents()
    assert opened.add(event(10), block())
    assert opened.add(event(20), block())
    assert not opened.add(event(15), block())
    assert [e.timestamp for e in opened.events] == [10, 15, 20]


def test_events_of_the_same_time_are_ordered_by_their_id() -> None:
    opened = OpenEvents()
    for event_id in ("b", "c", "a"):
        opened.add(event(10, event_id), block())
    assert [e.event_id for e in opened.events] == ["a", "b", "c"]


def test_each_event_keeps_its_block_wherever_it_is_inserted() -> None:
    opened, early, late = OpenEvents(), block(), block()
    opened.add(event(20), early)
    opened.add(event(10), late)
    assert opened.blocks == [late, early]
    opened.cut(1)
    assert (early.open_events, late.open_events) == (1, 0)


def test_cut_takes_the_first_events_off() -> None:
    opened = OpenEvents()
    for time in (10, 20, 30):
        opened.add(event(time), block())
    assert [e.timestamp for e in opened.cut(2)] == [10, 20]
    assert [e.timestamp for e in opened.events] == [30]
    assert len(opened.blocks) == 1


@given(st.lists(st.integers(0, 60), max_size=4 * FEW), st.integers(0, FEW))
def test_has_knows_the_ids_that_are_in_however_many_there_are(numbers: list[int], length: int) -> None:
    """Few are looked through, many are in a set, and a cut takes ids away: the answer is the same."""
    opened, expected = OpenEvents(), set[str]()
    for number in numbers:
        name = f"e{number}"
        assert opened.has(name) == (name in expected)
        if name not in expected:
            opened.add(event(number, name), block())
            expected.add(name)
    expected -= {e.event_id for e in opened.cut(min(length, len(expected)))}
    assert {f"e{n}" for n in range(61) if opened.has(f"e{n}")} == expected
