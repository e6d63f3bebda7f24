"""The order in which the learner's parts are given records: what it does not depend on, what holds it up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Outcome, Session
from mos_online.feedback.input_clock import LIVE_WITHIN
from mos_online.learning.order import CELL, Cell, EventOrder, Source
from tests.learning.records import outcome, session

SOURCES = [Source("sessions", 0), Source("sessions", 1), Source("outcomes", 0)]
LONG_AGO = 10**9

Arrival = tuple[Source, int]
"""A partition and the time of its next record."""


def record(source: Source, time: int, number: int) -> Session | Outcome:
    user = f"u{source.partition}"
    if source.topic == "sessions":
        return session(user, number, closed_at=time)
    return outcome(f"r{number}", user, closed_at=time)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    """Records of all partitions, each in order of time, in any order of arrival."""
    times = st.lists(st.integers(0, 8 * CELL), max_size=8).map(sorted)
    of_each = {source: draw(times) for source in SOURCES}
    order = draw(st.permutations([source for source, some in of_each.items() for _ in some]))
    left = {source: iter(some) for source, some in of_each.items()}
    return [(source, next(left[source])) for source in order]


def given_out(arrived: list[Arrival], looks: set[int]) -> list[Cell]:
    """What comes out if one looks after the records of these numbers, and at the end, when all has been read."""
    order, cells = EventOrder(SOURCES), []
    for number, (source, time) in enumerate(arrived):
        offset = sum(one == source for one, _ in arrived[:number])
        order.add(source, offset, LONG_AGO, b"", record(source, time, offset))
        if number in looks:
            cells += order.ready(order.event_time({}, now=LONG_AGO))
    cells += order.ready(order.event_time(dict.fromkeys(SOURCES, 0), now=LONG_AGO))
    assert not order.held
    assert not order.late
    return cells


@settings(max_examples=60)
@given(arrived=arrivals(), looks=st.sets(st.integers(0, 23)), other=st.sets(st.integers(0, 23)), data=st.data())
def test_cells_depend_on_event_time_alone(
    arrived: list[Arrival], looks: set[int], other: set[int], data: st.DataObject
) -> None:
    by_source = data.draw(st.permutations(SOURCES))
    shuffled = sorted(arrived, key=lambda one: by_source.index(one[0]))
    first, second = given_out(arrived, looks), given_out(shuffled, other)
    assert [cell.batch() for cell in first] == [cell.batch() for cell in second]
    ends = [cell.event_time for cell in first]
    assert ends == sorted(set(ends))
    assert all(end % CELL == 0 for end in ends)
    assert all(cell.event_time - CELL <= known.time < cell.event_time for cell in first for known in cell.records)
    assert sum(len(cell.records) for cell in first) == len(arrived)


def test_a_partition_that_is_behind_holds_the_others_back() -> None:
    order = EventOrder(SOURCES)
    order.add(SOURCES[0], 0, LONG_AGO, b"", session("u", 0, closed_at=5000))
    assert order.ready(order.event_time({}, now=LONG_AGO)) == []
    assert order.ahead() == {SOURCES[0]}
    order.add(SOURCES[1], 0, LONG_AGO, b"", session("v", 0, closed_at=9000))
    order.add(SOURCES[2], 0, LONG_AGO, b"", outcome("r", "w", closed_at=5999))
    assert order.ready(order.event_time({}, now=LONG_AGO)) == []
    order.add(SOURCES[2], 1, LONG_AGO, b"", outcome("s", "w", closed_at=6000))
    order.add(SOURCES[0], 1, LONG_AGO, b"", session("u", 1, closed_at=6000))
    (cell,) = order.ready(order.event_time({}, now=LONG_AGO))
    assert (cell.event_time, len(cell.records)) == (6000, 2)


def test_an_idle_partition_of_live_data_goes_on_with_the_clock() -> None:
    order, now = EventOrder(SOURCES[:2]), 50 * LIVE_WITHIN
    order.add(SOURCES[0], 0, now, b"", session("u", 0, closed_at=now - 2000))
    order.add(SOURCES[1], 0, now, b"", session("v", 0, closed_at=now - 9000))
    assert order.event_time({SOURCES[1]: 500}, now) == now - 9000
    assert order.event_time({SOURCES[1]: 500}, now + 1500) == now - 8000
    assert order.event_time({SOURCES[1]: 500}, now + 20_000) == now - 2000


def test_what_comes_after_its_cell_is_given_out_alone_and_time_does_not_go_back() -> None:
    order = EventOrder(SOURCES[:2])
    order.add(SOURCES[0], 0, LONG_AGO, b"", session("u", 0, closed_at=9500))
    order.ready(None)
    order.add(SOURCES[1], 0, LONG_AGO, b"", session("v", 0, closed_at=100))
    order.add(SOURCES[0], 1, LONG_AGO, b"", session("u", 1, closed_at=12_000))
    cells = order.ready(None)
    assert [cell.event_time for cell in cells] == [10_000, 13_000]
    assert order.late == 1
