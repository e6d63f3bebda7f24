"""The order in which what learns is given the records of many partitions: by event time, not by arrival."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from typing import NamedTuple

from mos_online.contracts import Outcome, Session
from mos_online.feedback.input_clock import InputClock
from mos_online.feedback.rules import JoinRules
from mos_online.learning.part import LearningBatch

CELL = 1000
"""Event time is given out in cells of so many ms."""

IN_ORDER = JoinRules(lateness=0)
"""The records of one partition are published in the order of their times."""


class Source(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Known(NamedTuple):
    """A record with its place in the order: by time, then sessions before outcomes, then by ids.

    Attributes:
        time: event time at which it was complete, ms; within a partition it never falls.
        kind: 0 for a session, 1 for an outcome.
        ids: of the user and of the record.
        offset: in its partition.
        arrived_at: when the broker had it, ms.
        value: as it was published.
        record: decoded.
    """

    time: int
    kind: int
    ids: tuple[str, str]
    source: Source
    offset: int
    arrived_at: int
    value: bytes
    record: Session | Outcome


class Cell(NamedTuple):
    """The records of one cell of event time.

    Attributes:
        event_time: its end, ms.
        records: in order.
    """

    event_time: int
    records: list[Known]

    def batch(self) -> LearningBatch:
        """The same for what learns."""
        records = [known.record for known in self.records]
        return LearningBatch(
            sessions=[record for record in records if isinstance(record, Session)],
            outcomes=[record for record in records if isinstance(record, Outcome)],
            event_time=self.event_time,
        )


def complete_at(record: Session | Outcome) -> int:
    """The event time (ms) at which nothing could change a record any more."""
    return record.watermark if isinstance(record, Session) else record.window_end


def ids_of(record: Session | Outcome) -> tuple[str, str]:
    """The user and the id of a record."""
    return record.user_id, record.session_id if isinstance(record, Session) else record.request_id


class EventOrder:
    """Holds records back until no partition can bring an earlier one; then gives them out, cell by cell.

    The event time of all is that of the partition that has come least far. A partition without new records does not
    hold the others back for ever: with live data it goes on with the wall clock, and otherwise it does not count, as
    for the joiner (``feedback.input_clock``).

    Attributes:
        given_to: everything before this event time (ms) has been given out; -1 at the start.
        late: records that came after their cell was given out.
    """

    def __init__(self, sources: Collection[Source] = (), *, given_to: int = -1) -> None:
        """Begin with these partitions, of which nothing is known yet."""
        self.given_to = given_to
        self.late = 0
        self._clocks: dict[Source, InputClock] = {}
        self._reached: dict[Source, int] = {}
        self._waiting: list[tuple[int, int, tuple[str, str], int, int, Known]] = []
        for source in sources:
            self.watch(source)

    def watch(self, source: Source) -> None:
        """Wait for another partition, too."""
        self._clocks.setdefault(source, InputClock())

    @property
    def held(self) -> int:
        """Records that wait."""
        return len(self._waiting)

    def ahead(self) -> set[Source]:
        """The partitions that others are waited for: there is no hurry to read them."""
        marks = {source: clock.watermark(IN_ORDER) for source, clock in self._clocks.items()}
        least = min(marks.values(), default=0)
        return {source for source, mark in marks.items() if mark > least}

    def add(self, source: Source, offset: int, arrived_at: int, value: bytes, record: Session | Outcome) -> None:
        """Take the next record of a partition.

        Args:
            source: the partition.
            offset: in it.
            arrived_at: when the broker had it, ms.
            value: as it was published.
            record: decoded.
        """
        self.watch(source)
        time = max(complete_at(record), self._reached.get(source, -1))
        self._reached[source] = time
        self._clocks[source].observe(time, max(arrived_at, time))
        self.late += time < self.given_to
        kind, ids = int(isinstance(record, Outcome)), ids_of(record)
        known = Known(time, kind, ids, source, offset, arrived_at, value, record)
        heapq.heappush(self._waiting, (time, kind, ids, source.partition, offset, known))

    def event_time(self, idle: Mapping[Source, int], now: int) -> int | None:
        """How far all partitions have come together, ms; None if all that there is has been read and nothing is live.

        Args:
            idle: the partitions whose records have all been read, the last one a while ago; and how much longer (ms)
                one record of it may be under way than another.
            now: the wall clock, ms.
        """
        marks = []
        for source, clock in self._clocks.items():
            is_idle = source in idle
            mark = clock.idle_watermark(now, idle[source], IN_ORDER) if is_idle else clock.watermark(IN_ORDER)
            if mark is not None:
                marks.append(mark)
        return min(marks) if marks else None

    def ready(self, event_time: int | None) -> list[Cell]:
        """Give out what is in whole cells before an event time.

        Args:
            event_time: from ``event_time``; None: everything.

        Returns:
            The cells that have any records, in order; late records are in a cell of their own, in front.
        """
        cells: list[Cell] = []
        until = None if event_time is None else event_time // CELL * CELL
        while self._waiting and (until is None or self._waiting[0][0] < until):
            known = heapq.heappop(self._waiting)[-1]
            end = max(known.time // CELL * CELL + CELL, self.given_to)
            if not cells or cells[-1].event_time != end:
                cells.append(Cell(end, []))
            cells[-1].records.append(known)
            self.given_to = end
        return cells
