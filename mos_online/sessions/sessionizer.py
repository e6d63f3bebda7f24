"""The streaming sessionizer of one partition: records in, closed sessions out. No IO, no clock reads."""

from __future__ import annotations

from mos_online.contracts import Click, Heartbeat, LateEvent, Session
from mos_online.sessions.checkpoint import RuleChange, SessionizerCheckpoint
from mos_online.sessions.clock import EventTimeClock
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.offsets import OffsetTracker
from mos_online.sessions.recovery import Recovery
from mos_online.sessions.rejection import Rejected, absurd_timestamp, future_timestamp, rejected_event_type
from mos_online.sessions.rule_history import RuleHistory
from mos_online.sessions.windows import SessionWindows

Output = Session | LateEvent | Rejected

NAMED_TYPES = 20
"""So many undeclared event types are kept by name."""


class Sessionizer:
    """Closes the sessions of one partition in event time.

    It joins the pieces: the event-time clock (what is late), the session windows (what is open, what closes), the
    offset tracker (where a restart must begin to read), the rule history (which rules to begin with there) and, after
    a crash, the recovery (what has been published already).

    Deterministic: its output is a function of the records and their times of arrival. ``tick`` only brings forward,
    in a quiet partition, what the next record would do.

    >>> from mos_online.contracts import Click
    >>> s = Sessionizer(SessionConfig(gap=1000, lateness=0, min_timestamp=0), partition=0)
    >>> s.process([Click(event_id="a", user_id="u", item_id="x", timestamp=0)], offset=0, arrived_at=0)
    []
    >>> out = s.process([Click(event_id="b", user_id="v", item_id="y", timestamp=1001)], offset=1, arrived_at=1001)
    >>> out[0].session_id, out[0].close_reason, out[0].watermark
    ('u:0:a', 'gap', 1001)
    """

    def __init__(
        self, config: SessionConfig, *, partition: int, checkpoint: SessionizerCheckpoint | None = None
    ) -> None:
        """Begin a partition, or continue one.

        Args:
            config: the rules. After a checkpoint they begin to hold where its output had been published.
            partition: its number, written into late events.
            checkpoint: made earlier; give ``process`` the log from ``checkpoint.offset`` on.
        """
        self.partition = partition
        self.exposures = 0
        self.undeclared = 0
        self.undeclared_types: set[str] = set()
        self._config = checkpoint.rules if checkpoint else config
        self._types = self._config.types
        self._wanted_config = config
        self._next_offset = checkpoint.offset if checkpoint else 0
        self._clock = EventTimeClock(self._config, checkpoint.clock if checkpoint else None)
        self._windows = SessionWindows(self._config)
        self._offsets = OffsetTracker()
        self._rules = RuleHistory(self._config, checkpoint.changes if checkpoint else ())
        self._recovery = Recovery(checkpoint) if checkpoint else None

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
        """Events ignored because an open session has their id."""
        return self._windows.duplicates

    @property
    def next_offset(self) -> int:
        """The offset after the last record taken."""
        return self._next_offset

    def process(
        self, message: list[Click] | Heartbeat | None, *, offset: int, arrived_at: int, by_broker: bool = True
    ) -> list[Output]:
        """Take one record of the log and return, in order, what it brought about.

        Args:
            message: its clicks, its heartbeat, or None if it held nothing usable (it went to the dead-letter topic).
            offset: its offset; a record already taken is ignored.
            arrived_at: when it arrived (ms): when the broker put it into the log; where no broker has noted that, when
                the worker takes it. Never the producer's clock.
            by_broker: whether ``arrived_at`` is of the broker's clock.

        While the log is re-read after a crash (``offset < checkpoint.published_to``) it returns nothing.
        """
        if offset < self._next_offset:
            return []
        if self._recovery is not None:
            self._recover(self._recovery, offset)
        clock = self._clock
        if offset >= self._offsets.block_end:
            self._offsets.begin_block(offset, clock.state())
        self._next_offset = offset + 1
        out: list[Output] = []
        if by_broker:
            if clock.arrive(arrived_at):
                out += self._windows.close(clock.watermark)
            arrived_at = clock.arrived_at
        else:
            clock.take(arrived_at)
        if isinstance(message, Heartbeat):
            self._heartbeat(message.heartbeat, arrived_at, out)
        elif message is not None:
            for click in message:
                self._click(click, offset, arrived_at, out)
        return out if self._recovery is None else []

    def tick(self, now: int) -> list[Output]:
        """Let a quiet partition advance by the wall clock ``now`` (ms); call it about once a second."""
        watermark = self._clock.idle_watermark(now)
        return [] if watermark is None else [*self._advance(watermark)]

    def due(self, now: int) -> bool:
        """Whether ``tick(now)`` may close something."""
        watermark, deadline = self._clock.idle_watermark(now), self._windows.next_deadline
        return watermark is not None and deadline is not None and deadline <= watermark

    def wall_clock_of(self, watermark: int) -> int:
        """When (ms) ``tick`` lets a partition that stays quiet reach ``watermark``."""
        return self._clock.wall_clock_of(watermark)

    def checkpoint(self) -> SessionizerCheckpoint:
        """Describe this moment; store it only after everything returned so far has been published durably."""
        self.resume()
        offset, clock = self._offsets.restart_point() or (self._next_offset, self._clock.state())
        self._rules.forget_before(offset)
        return SessionizerCheckpoint(
            offset=offset,
            clock=clock,
            published_to=self._next_offset,
            watermark=self._clock.watermark,
            floors=self._windows.floors(),
            rules=self._rules.first,
            changes=list(self._rules.changes),
        )

    def resume(self) -> None:
        """End the re-reading of the log: the next record is a new one. Does nothing otherwise."""
        recovery = self._recovery
        if recovery is None:
            return
        self._recovery = None
        for change in recovery.rule_changes(recovery.published_to):
            self._change_rules(change)
        self._next_offset = max(self._next_offset, recovery.published_to)
        self._advance(recovery.watermark)  # published before the crash, so the result is dropped
        self._windows.restore_floors(recovery.floors)
        if self._config != self._wanted_config:
            change = RuleChange(offset=self._next_offset, watermark=self.watermark, rules=self._wanted_config)
            self._rules.add(change)
            self._change_rules(change)

    def _recover(self, recovery: Recovery, offset: int) -> None:
        """Before the record at ``offset``: end the re-read there, or repeat what changed the rules."""
        if offset >= recovery.published_to:
            self.resume()
            return
        for change in recovery.rule_changes(offset):
            self._change_rules(change)

    def _change_rules(self, change: RuleChange) -> None:
        """From here on events whose session is open are cut anew; sessions published before stay as they are."""
        self._advance(change.watermark)  # what closes here has been published
        self._config = self._clock.config = change.rules
        self._types = change.rules.types
        self._windows.change_rules(change.rules)

    def _advance(self, watermark: int) -> list[Session]:
        return self._windows.close(watermark) if self._clock.advance(watermark) else []

    def _click(self, click: Click, offset: int, arrived_at: int, out: list[Output]) -> None:
        timestamp, clock, config = click.timestamp, self._clock, self._config
        kind, _, declared = self._types[click.event_type]
        if not declared:
            self._note_undeclared(click.event_type)
        if kind == "reject":
            out.append(rejected_event_type(click.event_type))
            return
        if (
            timestamp < clock.watermark
            or timestamp > arrived_at + config.max_future
            or timestamp < config.min_timestamp
        ):
            refused = self._refuse(click, offset, arrived_at)
            if kind != "exposure" or isinstance(refused, Rejected):
                out.append(refused)
            return
        if kind == "exposure":
            self.exposures += 1
        else:
            self._take(click)
        if timestamp > clock.newest and clock.observe(timestamp, arrival=arrived_at):
            out += self._windows.close(clock.watermark)

    def _take(self, click: Click) -> None:
        """Put an accepted click among the open events of its user."""
        key = _publisher_key(click) if self._config.publisher_ids else click.user_id
        if self._recovery is None or not self._recovery.was_published(key, click):
            self._windows.add(key, click, self._offsets.block)

    def _note_undeclared(self, event_type: str) -> None:
        self.undeclared += 1
        if len(self.undeclared_types) < NAMED_TYPES:
            self.undeclared_types.add(event_type)

    def _refuse(self, click: Click, offset: int, arrived_at: int) -> LateEvent | Rejected:
        """What becomes of a click that no session takes."""
        timestamp, watermark, config = click.timestamp, self._clock.watermark, self._config
        is_late = timestamp < watermark
        if not is_late and timestamp > arrived_at + config.max_future:
            return future_timestamp(timestamp, arrived_at, config)
        if timestamp < config.min_timestamp:
            return absurd_timestamp(timestamp, config)
        return LateEvent(
            click=click, watermark=watermark, late_by=watermark - timestamp, partition=self.partition, offset=offset
        )

    def _heartbeat(self, timestamp: int, arrived_at: int, out: list[Output]) -> None:
        if timestamp > arrived_at + self._config.max_future:
            out.append(future_timestamp(timestamp, arrived_at, self._config))
        elif self._clock.heartbeat(timestamp, arrival=arrived_at):
            out += self._windows.close(self._clock.watermark)


def _publisher_key(click: Click) -> str:
    """Names a user's session of the publisher without ambiguity, whatever characters the ids have."""
    return f"{len(click.user_id)}:{click.user_id}{click.session_id or ''}"
