"""What must be remembered to continue a partition after a crash: very little, because the log is the state."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mos_online.sessions.config import SessionConfig


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the event-time clock of one partition.

    Attributes:
        newest: largest event time seen (ms), an event ahead of its arrival counting as of its arrival; -1 before the
            first event.
        watermark: no accepted event may be older (ms), -1 before the first event.
        arrived_at: when the last record arrived (ms), -1 if that is not known.
        by_broker: whether that is the broker's clock (LogAppendTime), or the worker's (CreateTime).
        bound: what counts as the arrival (ms) of records without the broker's time, while a producer of theirs is
            ahead; None while nothing is ahead.
    """

    newest: int = -1
    watermark: int = -1
    arrived_at: int = -1
    by_broker: bool = True
    bound: int | None = None


class RulesChanged(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="rules"):
    """Other rules were in force from an offset on.

    Attributes:
        offset: the first offset processed under the new rules.
        watermark: the watermark (ms) when they changed.
        rules: the new rules.
        floors: as in ``SessionizerCheckpoint``, of the sessions that were cut by the old rules.
    """

    offset: int
    watermark: int
    rules: SessionConfig
    floors: dict[str, tuple[int, str]]


class WatermarkMoved(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="watermark"):
    """The wall clock had moved the watermark, and a record came that was older.

    Attributes:
        offset: of that record.
        watermark: at least this (ms) before it.
    """

    offset: int
    watermark: int


class ArrivalBounded(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="arrival"):
    """The worker read its clock, because a producer was ahead of it, or none was any more.

    Attributes:
        offset: from here on records without the broker's time count as arrived at ``arrival``.
        arrival: by the worker's clock (ms); None where nothing is ahead.
    """

    offset: int
    arrival: int | None


Decision = RulesChanged | WatermarkMoved | ArrivalBounded
"""What a worker decided that does not follow from the log alone. Reading the log again repeats it."""


class PlannedRules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that will be in force from ``offset`` on, which lies after everything that was processed before."""

    offset: int
    rules: SessionConfig


class LogPosition(msgspec.Struct, frozen=True, kw_only=True):
    """An offset of the log and the clock just before it."""

    offset: int
    clock: ClockState


class SessionizerCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Restores a sessionizer: re-read the log from ``start``, publish nothing before ``published_to``.

    Attributes:
        start: no open session has an event before this offset; lateness is judged again exactly as it was.
        middle: a later offset. The events between the two that are part of a session are still open, or not needed.
            None if there is nothing between ``start`` and ``published_to`` to be told apart.
        published_to: everything that the records before this offset closed has been published.
        published: the clock when that was so.
        decided: the watermark (ms) to which the wall clock moves the partition at ``published_to``. What that closes
            may not have been published.
        bounded_to: records before this offset that have no broker's time count as arrived at ``published.bound``.
        clock_limit: no event with a later time (ms) than this was taken by the worker's clock alone.
        open_events: events whose session was open at ``published_to``. So many must be found again.
        floors: per user, the (timestamp, event_id) of the last event of a session that ended by a cap or an end event
            while the user may have gone on; re-read events up to there belong to sessions already published.
        rules: in force at ``start``. The re-read decides as was decided then, whatever the settings say by now.
        decisions: what was decided between ``start`` and ``published_to``, in order.
        planned: rules that begin to hold at ``published_to`` or later, in order.
        log_id: names the log that the offsets belong to.
    """

    start: LogPosition
    middle: LogPosition | None
    published_to: int
    published: ClockState
    decided: int
    bounded_to: int
    clock_limit: int
    open_events: int
    floors: dict[str, tuple[int, str]]
    rules: SessionConfig
    decisions: list[Decision]
    planned: list[PlannedRules]
    log_id: str = ""

    @classmethod
    def of_nothing(cls, rules: SessionConfig, *, offset: int = 0, log_id: str = "") -> SessionizerCheckpoint:
        """The checkpoint of a partition of which nothing before ``offset`` has been, or will be, processed."""
        nothing = ClockState()
        return cls(
            start=LogPosition(offset=offset, clock=nothing),
            middle=None,
            published_to=offset,
            published=nothing,
            decided=nothing.watermark,
            bounded_to=offset,
            clock_limit=0,
            open_events=0,
            floors={},
            rules=rules,
            decisions=[],
            planned=[],
            log_id=log_id,
        )

    def under(self, rules: SessionConfig, *, log_end: int) -> SessionizerCheckpoint:
        """The same, with other rules for what comes after ``log_end``; itself if these are the rules anyway.

        A worker that has died may have published what follows from any record before the end of the log. So those
        must be processed by the rules that it had. Store the result before anything is processed.
        """
        changes = [decision.rules for decision in self.decisions if isinstance(decision, RulesChanged)]
        last = [self.rules, *changes, *(plan.rules for plan in self.planned)][-1]
        if rules == last:
            return self
        planned = PlannedRules(offset=max(log_end, self.published_to), rules=rules)
        return replace(self, planned=[*self.planned, planned])

    def beginning_at(self, offset: int) -> SessionizerCheckpoint:
        """The same for a log that begins at ``offset``, after ``start``: nothing before it can be read any more.

        Whether that was needed shows at ``published_to``, where ``open_events`` must have been found.
        """
        position = self.start
        if self.middle is not None and self.middle.offset <= offset:
            position = self.middle
        clock = position.clock if position.offset == offset else replace(position.clock, arrived_at=-1)
        middle = self.middle if self.middle is not None and self.middle.offset > offset else None
        return replace(self, start=LogPosition(offset=offset, clock=clock), middle=middle)
