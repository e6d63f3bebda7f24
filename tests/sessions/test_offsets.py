"""Which offset a restart goes back to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mos_online.sessions import ClockState
from mos_online.sessions.checkpoint import LogPosition
from mos_online.sessions.offsets import BLOCK_SIZE, Block, OffsetTracker


def read(tracker: OffsetTracker, offset: int) -> Block:
    """Read the record at ``offset`` when the clock's newest event is ``offset``; returns the block it lies in."""
    if offset >= tracker.block_end:
        tracker.begin_block(offset, ClockState(newest=offset))
    return tracker.block


NEXT, CLOCK = 10**6, ClockState(newest=10**6)


def at(offset: int) -> LogPosition:
    return LogPosition(offset=offset, clock=ClockState(newest=offset))


def test_without_an_open_event_there_is_no_restart_point() -> None:
    tracker = OffsetTracker()
    assert tracker.restart_points(NEXT, CLOCK) == (at(NEXT), None)
    read(tracker, 5)
    assert tracker.restart_points(NEXT, CLOCK) == (at(NEXT), None)


def test_a_restart_begins_where_the_block_of_the_oldest_open_event_was_first_read() -> None:
    tracker = OffsetTracker()
    read(tracker, 5)
    read(tracker, 9).open_events += 1
    read(tracker, 1000).open_events += 1
    assert tracker.restart_points(NEXT, CLOCK) == (at(5), at(1000))


def test_the_restart_point_moves_on_when_the_oldest_event_closes() -> None:
    tracker = OffsetTracker()
    oldest = read(tracker, 0)
    oldest.open_events += 1
    read(tracker, 1000).open_events += 1
    oldest.open_events -= 1
    assert tracker.restart_points(NEXT, CLOCK) == (at(1000), None)


def test_a_newer_event_that_closes_first_does_not_move_the_restart_point() -> None:
    tracker = OffsetTracker()
    read(tracker, 0).open_events += 1
    newer = read(tracker, 1000)
    newer.open_events += 1
    newer.open_events -= 1
    assert tracker.restart_points(NEXT, CLOCK) == (at(0), at(1000))


def test_blocks_begin_at_multiples_of_their_size_wherever_the_reading_begins() -> None:
    tracker = OffsetTracker()
    first = read(tracker, BLOCK_SIZE - 1)
    assert read(tracker, BLOCK_SIZE) is not first
    assert tracker.block_end == 2 * BLOCK_SIZE


@given(st.lists(st.tuples(st.integers(1, 2 * BLOCK_SIZE), st.booleans()), min_size=1, max_size=40), st.data())
def test_a_restart_re_reads_every_open_event_and_at_most_a_block_more(
    steps: list[tuple[int, bool]], data: st.DataObject
) -> None:
    tracker, opened, offset, last = OffsetTracker(), dict[int, Block](), -1, 0
    for step, has_event in steps:
        offset += step
        block = read(tracker, offset)
        if has_event:
            block.open_events += 1
            opened[offset] = block
        for closing in data.draw(st.lists(st.sampled_from(sorted(opened)), unique=True)) if opened else []:
            opened.pop(closing).open_events -= 1
        point = tracker.restart_points(NEXT, CLOCK)
        if opened:
            assert min(opened) - BLOCK_SIZE < point[0].offset <= min(opened)
            assert point[0].offset >= last, "a restart point went back"
            last = point[0].offset
            assert point[0] == at(last)
            assert point[1] is None or point[1] == at(point[1].offset)
        else:
            assert point == (at(NEXT), None)


def test_when_nothing_is_open_the_next_record_begins_a_block() -> None:
    """Else the next restart would go back to before what the last one could rely on."""
    tracker = OffsetTracker()
    read(tracker, 0)
    assert tracker.restart_points(NEXT, CLOCK) == (at(NEXT), None)
    read(tracker, 5).open_events += 1
    assert tracker.restart_points(NEXT, CLOCK) == (at(5), None)


def test_two_blocks_in_a_row_with_nothing_open_are_one() -> None:
    tracker = OffsetTracker()
    read(tracker, 0).open_events += 1
    for offset in range(1, 100):
        tracker.begin_block(offset, ClockState(newest=offset))
    assert len(tracker._blocks) <= 3
