"""The streaming sessionizer of one partition: records in, closed sessions out. No IO, no clock reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mos_online.contracts import Click, Heartbeat, Session
from mos_online.sessions import rejection
from mos_online.sessions.accepted import AcceptedLog
from mos_online.sessions.arrival import FOREVER, WorkerArrival
from mos_online.sessions.checkpoint import (
    ArrivalBounded,
    ClockState,
    RulesChanged,
    SessionizerCheckpoint,
    WatermarkMoved,
)
from mos_online.sessions.clock import EventTimeClock
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.decisions import DecisionLog
from mos_online.sessions.keys import publisher_key
from mos_online.sessions.offsets import OffsetTracker
from mos_online.sessions.recovery import Recovery
from mos_online.sessions.rejection import Output
from mos_online.sessions.type_counts import TypeCounts
from mos_online.sessions.windows import SessionWindows


class Sessionizer:
    """Closes the sessions of one partition in event time.

    It joins the pieces: clock (what is late), windows (what is open, what closes), offsets (where a restart must begin
    to read), decisions (what does not follow from the log), arrival (where the broker does not say) and recovery.

    Deterministic: its output is a function of the records, of the times at which the broker appended them, and of the
    decisions: ``decide``, ``advance``, and rules that a checkpoint plans. Make a checkpoint with a decision durable
    before you publish anything that rests on it. A restart from there repeats it.

    >>> s = Sessionizer(SessionConfig(gap=1000, lateness=0, min_timestamp=0), partition=0)
    >>> s.process([Click(event_id="a", user_id="u", item_id="x", timestamp=0)], offset=0, arrived_at=0)
    []
    >>> out = s.process([Click(event_id="b", user_id="v", item_id="y", timestamp=1001)], offset=1, arrived_at=1001)
    >>> out[0].session_id, out[0].close_reason, out[0].watermark
    ('u:0:a', 'gap', 1001)

    Attributes:
        types: counts of clicks by what their type means.
        accepted: gets the clicks that a session takes and that have a weight; None: nobody counts them.
        missing_events: events of open sessions that a re-read did not find.
    """

    def __init__(self, begin: SessionConfig | SessionizerCheckpoint, *, partition: int, log_end: int = FOREVER) -> None:
        """Begin a partition, or continue one.

        Args:
            begin: the rules of a new partition; or a checkpoint, made earlier: give ``process`` the log from
                ``begin.start.offset`` on.
            partition: its number, written into late events.
            log_end: nobody has processed records from this offset on.
        """
        checkpoint = begin if isinstance(begin, SessionizerCheckpoint) else SessionizerCheckpoint.of_nothing(begin)
        self.partition, self.missing_events = partition, 0
        self.types = TypeCounts()
        self.accepted: AcceptedLog | None = None
        self._config, self._types = checkpoint.rules, checkpoint.rules.types
        self._next_offset = checkpoint.start.offset
        self._clock = EventTimeClock(self._config, checkpoint.start.clock)
        self._windows = SessionWindows(self._config)
        self._offsets = OffsetTracker()
        self._decisions = DecisionLog(checkpoint.rules, checkpoint.decisions)
        self._arrival = WorkerArrival(self._clock, self._decisions, checkpoint, log_end)
        self._recovery = None if checkpoint is not begin else Recovery(checkpoint)
        self._middle, self._planned = checkpoint.middle, deque(checkpoint.planned)
        self._before: ClockState | None = None  # a record with several clicks, while it is processed

    @property
    def watermark(self) -> int:
        """Event time (ms) up to which this partition is complete; -1 before the first event."""
        return self._clock.watermark

    @property
    def open_users(self) -> int:
        """Users with an open session, or whose session was just cut by a cap or an end event."""
        return len(self._windows)

    @property
    def open_events(self) -> int:
        """Events whose session is open."""
        return self._windows.open_events

    @property
    def duplicates(self) -> int:
        """Events ignored because they repeat one whose session is open."""
        return self._windows.duplicates

    @property
    def next_offset(self) -> int:
        """The offset after the last record taken."""
        return self._next_offset

    def together(self, records: Sequence[tuple[int, int]]) -> int:
        """How many of the next records, each with offset and latest time (ms), ``decide`` may prepare for at once."""
        return self._arrival.together(records)

    def decide(self, newest: int, *, end: int, now: int) -> bool:
        """Prepare for the next records, if they do not have the broker's time; not during a re-read.

        Args:
            newest: the latest time (ms) that one of those records speaks of.
            end: the offset after the last of them.
            now: the worker's clock (ms).

        Returns:
            Whether a checkpoint must be durable before they are processed.
        """
        self._begin_planned(self._next_offset)
        return self._arrival.decide(newest, offset=self._next_offset, end=end, now=now, config=self._config)

    def process(
        self, message: list[Click] | Heartbeat | None, *, offset: int, arrived_at: int, by_broker: bool = True
    ) -> list[Output]:
        """Take one record of the log and return, in order, what it brought about; during a re-read nothing.

        Args:
            message: its clicks, its heartbeat, or None if it held nothing usable (it went to the dead-letter topic).
            offset: its offset; a record already taken is ignored.
            arrived_at: when it arrived (ms): when the broker put it into the log; where no broker has noted that, when
                the worker takes it. Never the producer's clock.
            by_broker: whether ``arrived_at`` is of the broker's clock. If not, call ``decide`` before.
        """
        if offset < self._next_offset:
            return []
        out = self._recover(offset) if self._recovery is not None or self._planned else []
        clock = self._clock
        if offset >= self._offsets.block_end:
            self._offsets.begin_block(offset, clock.state())
        self._next_offset = offset + 1
        if by_broker:
            if clock.arrive(arrived_at):
                out += self._windows.close(clock.watermark)
            arrived_at, limit = clock.arrived_at, clock.arrived_at + self._config.max_future
        else:
            clock.take(arrived_at)
            arrived_at, limit = self._arrival.limits(self._config)
        if isinstance(message, list) and len(message) == 1:
            self._click(message[0], offset, arrived_at, limit, out)
        elif message is not None:
            self._message(message, offset, arrived_at, limit, out)
        return out if self._recovery is None else []

    def due(self, now: int) -> int | None:
        """The watermark to which the wall clock ``now`` (ms) may ``advance`` a quiet partition.

        None while that would close nothing.
        """
        self._begin_planned(self._next_offset)
        watermark, deadline = self._clock.idle_watermark(now), self._windows.next_deadline
        if watermark is None or deadline is None or deadline > watermark or watermark <= self._clock.watermark:
            return None
        return watermark

    def advance(self, watermark: int) -> list[Session]:
        """Let the wall clock move the watermark, which a durable checkpoint has as ``decided``."""
        return self._windows.close(watermark) if self._clock.tick(watermark) else []

    def wall_clock_of(self, watermark: int) -> int:
        """When (ms) the wall clock lets a partition that stays quiet reach ``watermark``."""
        return self._clock.wall_clock_of(watermark)

    def checkpoint(self, *, decided: int | None = None) -> SessionizerCheckpoint:
        """Describe this moment; store it only after everything returned so far has been published durably.

        Args:
            decided: the watermark to which ``advance`` will move the partition once the checkpoint is durable.
        """
        if self._recovery is not None:
            raise RuntimeError("a checkpoint while the log is re-read: call resume first")
        self._begin_planned(self._next_offset)
        published = self._clock.state()
        start, middle = self._offsets.restart_points(self._next_offset, published)
        self._decisions.forget_before(start.offset)
        return SessionizerCheckpoint(
            start=start,
            middle=middle,
            published_to=self._next_offset,
            published=published,
            decided=published.watermark if decided is None else decided,
            bounded_to=self._arrival.bounded_to,
            clock_limit=self._arrival.clock_limit,
            open_events=self._windows.open_events,
            floors=self._windows.floors(),
            rules=self._decisions.rules,
            decisions=list(self._decisions),
            planned=list(self._planned),
        )

    def resume(self) -> list[Output]:
        """End the re-reading of the log; returns what the wall clock had decided to close."""
        recovery = self._recovery
        if recovery is None:
            return []
        self._repeat(recovery, recovery.published_to)
        self._recovery, checkpoint = None, recovery.checkpoint
        self._next_offset = max(self._next_offset, recovery.published_to)
        if self._clock.go_on(checkpoint.published):
            self._windows.close(checkpoint.published.watermark)  # published before the crash
        self._windows.restore_floors(checkpoint.floors)
        self.missing_events = checkpoint.open_events - self._windows.open_events
        return [*self.advance(checkpoint.decided)]

    def _recover(self, offset: int) -> list[Output]:
        """Before the record at ``offset``: end the re-read there, or repeat what was decided."""
        recovery = self._recovery
        if recovery is None or offset >= recovery.published_to:
            out = self.resume()
            self._begin_planned(offset)
            return out
        self._repeat(recovery, offset)
        if self._middle is not None and offset >= self._middle.offset:
            if self._clock.go_on(self._middle.clock):
                self._windows.close(self._clock.watermark)
            self._offsets.begin_block(offset, self._clock.state())
            self._middle = None
        return []

    def _repeat(self, recovery: Recovery, offset: int) -> None:
        """Do again what was decided up to ``offset``; what closes has been published."""
        for decision in recovery.decisions(offset):
            if isinstance(decision, ArrivalBounded):
                self._clock.bound = decision.arrival
                continue
            if self._clock.advance(decision.watermark):
                self._windows.close(decision.watermark)
            if isinstance(decision, RulesChanged):
                self._change_rules(decision.rules)

    def _begin_planned(self, offset: int) -> None:
        """From ``offset`` on planned rules may hold: events whose session is open are then cut by them."""
        while self._planned and self._planned[0].offset <= offset:
            plan = self._planned.popleft()
            watermark, floors = self.watermark, self._windows.floors()
            self._decisions.add(RulesChanged(offset=plan.offset, watermark=watermark, rules=plan.rules, floors=floors))
            self._change_rules(plan.rules)

    def _change_rules(self, rules: SessionConfig) -> None:
        self._config, self._types = rules, rules.types
        self._clock.config = rules
        self._windows.change_rules(rules)

    def _message(
        self, message: list[Click] | Heartbeat, offset: int, arrival: int, limit: int, out: list[Output]
    ) -> None:
        if isinstance(message, list):
            self._before = self._clock.state()
            for click in message:
                self._click(click, offset, arrival, limit, out)
            self._before = None
        elif message.heartbeat > limit:
            out.append(rejection.future_timestamp(message.heartbeat, arrival, allowed=limit - arrival))
        elif self._clock.heartbeat(message.heartbeat, arrival=arrival):
            out += self._windows.close(self._clock.watermark)

    def _click(self, click: Click, offset: int, arrival: int, limit: int, out: list[Output]) -> None:
        timestamp, clock, config = click.timestamp, self._clock, self._config
        kind, weight, declared = self._types[click.event_type]
        if not declared:
            self.types.note_undeclared(click.event_type)
        if kind == "reject":
            out.append(rejection.rejected_event_type(click.event_type))
            return
        if timestamp < clock.watermark or timestamp > limit or timestamp < config.min_timestamp:
            rejected = rejection.rejected_time(click, clock.watermark, arrival, limit, config)
            if rejected is not None:
                out.append(rejected)
                return
            self._note_late(timestamp, offset)
            if kind != "exposure":
                out.append(rejection.late_event(click, clock.watermark, partition=self.partition, offset=offset))
            return
        if kind == "exposure":
            self.types.exposures += 1
        elif self._recovery is None or not self._recovery.was_published(click):
            key = publisher_key(click.user_id, click.session_id) if config.publisher_ids else click.user_id
            added = self._windows.add(key, click, self._offsets.block)
            if added is None:
                out.append(rejection.reused_event_id(click))
            elif added and weight and self.accepted is not None and self._recovery is None:
                self.accepted.add(click, offset, arrival, weight)
        if timestamp > clock.newest and clock.observe(timestamp, arrival):
            out += self._windows.close(clock.watermark)

    def _note_late(self, timestamp: int, offset: int) -> None:
        """See to it that a restart finds an event late that is late now."""
        clock, block = self._clock, self._offsets.block
        if clock.watermark == clock.ticked and self._recovery is None:
            clock.ticked = -1
            self._decisions.add(WatermarkMoved(offset=offset, watermark=clock.watermark))
        if timestamp >= block.clock.watermark and block.offset != offset:
            self._offsets.begin_block(offset, self._before or clock.state())
