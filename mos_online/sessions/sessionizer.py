"""The streaming sessionizer of one partition: records in, closed sessions out. No IO, no clock reads."""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple

from mos_online.contracts import SESSION_END, Click, Heartbeat, LateEvent, Session, SessionEvent
from mos_online.sessions.checkpoint import Checkpoint, ClockState, RuleChange
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.cut import Cut, first_cut, whole_cut
from mos_online.sessions.open_events import OpenEvents

BLOCK = 256
"""Offsets are counted in blocks of this many: the checkpoint is that much coarser, and the bookkeeping O(1)."""


class Rejected(NamedTuple):
    """A click that follows the contract but cannot be believed; the caller sends it to the dead-letter topic."""

    reason: str
    message: str


Output = Session | LateEvent | Rejected


class Sessionizer:
    """Closes the sessions of one partition in event time.

    Deterministic: its output is a function of the records and their Kafka timestamps. ``tick`` only brings forward,
    in a quiet partition, what the next record would do.

    >>> from mos_online.contracts import Click
    >>> s = Sessionizer(SessionConfig(gap=1000, lateness=0, min_timestamp=0), partition=0)
    >>> s.process([Click(event_id="a", user_id="u", item_id="x", timestamp=0)], offset=0, arrived_at=0)
    []
    >>> out = s.process([Click(event_id="b", user_id="v", item_id="y", timestamp=1001)], offset=1, arrived_at=1001)
    >>> out[0].session_id, out[0].close_reason, out[0].watermark
    ('u:0:a', 'gap', 1001)
    """

    def __init__(self, config: SessionConfig, *, partition: int, checkpoint: Checkpoint | None = None) -> None:
        self.config = checkpoint.rules if checkpoint else config
        self.partition = partition
        self._wanted_config = config
        self._first_config = self.config  # in force where the next re-read begins
        self._changes = list(checkpoint.changes) if checkpoint else []
        self._to_repeat = deque(self._changes)
        clock = checkpoint.clock if checkpoint else ClockState()
        self._newest = clock.newest
        self._watermark = clock.watermark
        self._arrived_at = clock.arrived_at
        self._next_offset = checkpoint.offset if checkpoint else 0
        self._restoring = checkpoint is not None
        self._published_to = checkpoint.published_to if checkpoint else 0
        self._resume_watermark = checkpoint.watermark if checkpoint else -1
        self._floors = dict(checkpoint.floors) if checkpoint else {}
        self._open: dict[str, OpenEvents] = {}
        self._deadlines: list[tuple[int, str]] = []
        self._block = -1
        self._blocks: dict[int, int] = {}  # block -> open events in it
        self._marks: deque[tuple[int, int, ClockState]] = deque()  # (block, first offset seen in it, clock before it)
        self.open_events = 0
        self.duplicates = 0

    @property
    def watermark(self) -> int:
        """Event time (ms) up to which this partition is complete; -1 before the first event."""
        return self._watermark

    @property
    def open_users(self) -> int:
        """Users with an open session, or whose session was just cut by a cap or an end event."""
        return len(self._open)

    @property
    def next_offset(self) -> int:
        """The offset after the last record taken."""
        return self._next_offset

    def process(self, message: list[Click] | Heartbeat | None, *, offset: int, arrived_at: int) -> list[Output]:
        """Take one record of the log and return, in order, what it brought about.

        Args:
            message: its clicks, its heartbeat, or None if it held nothing usable (it went to the dead-letter topic).
            offset: its offset; a record already taken is ignored.
            arrived_at: its Kafka timestamp (ms).

        While the log is re-read after a crash (``offset < checkpoint.published_to``) it returns nothing.
        """
        if offset < self._next_offset:
            return []
        restoring = offset < self._published_to
        if self._restoring and not restoring:
            self.resume()
        while self._to_repeat and offset >= self._to_repeat[0].offset:
            self._change_rules(self._to_repeat.popleft())
        if offset // BLOCK != self._block:
            self._block = offset // BLOCK
            self._marks.append((self._block, offset, self._clock()))
        self._next_offset = offset + 1
        out: list[Output] = []
        self._arrive(arrived_at, out)
        if isinstance(message, Heartbeat):
            self._heartbeat(message.heartbeat, arrived_at, out)
        elif message is not None:
            for click in message:
                self._click(click, offset, arrived_at, out)
        return [] if restoring else out

    def tick(self, now: int) -> list[Output]:
        """Let a quiet partition advance by the wall clock ``now`` (ms); call it about once a second.

        Stays ``idle_timeout`` behind what the next record would do, so that a record stamped by another machine's
        clock cannot find its session closed too early.
        """
        if self._arrived_at < 0 or now - self._arrived_at < self.config.idle_timeout:
            return []
        out: list[Output] = []
        self._advance(self._idle_watermark(now - self.config.idle_timeout), out)
        return out

    def due(self, now: int) -> bool:
        """Whether ``tick(now)`` may close something."""
        if not self._deadlines or now - self._arrived_at < self.config.idle_timeout:
            return False
        return self._deadlines[0][0] <= self._idle_watermark(now - self.config.idle_timeout)

    def wall_clock_of(self, watermark: int) -> int:
        """When (ms) ``tick`` lets a partition that stays quiet reach ``watermark``."""
        config = self.config
        return self._arrived_at + (watermark - self._newest) + config.lateness + config.idle_timeout

    def checkpoint(self) -> Checkpoint:
        """Describe this moment; store it only after everything returned so far has been published durably."""
        self.resume()
        while len(self._marks) > 1 and self._blocks.get(self._marks[0][0], 0) == 0:
            self._blocks.pop(self._marks.popleft()[0], None)
        if self._marks and self.open_events:
            _, offset, clock = self._marks[0]
        else:
            offset, clock = self._next_offset, self._clock()
        while self._changes and self._changes[0].offset <= offset:
            self._first_config = self._changes.pop(0).rules
        return Checkpoint(
            offset=offset,
            clock=clock,
            published_to=self._next_offset,
            watermark=self._watermark,
            floors={key: events.floor for key, events in self._open.items() if events.floor is not None},
            rules=self._first_config,
            changes=list(self._changes),
        )

    def resume(self) -> None:
        """End the re-reading of the log: the next record is a new one. Does nothing otherwise."""
        if not self._restoring:
            return
        self._restoring = False
        while self._to_repeat:
            self._change_rules(self._to_repeat.popleft())
        self._next_offset = max(self._next_offset, self._published_to)
        self._advance(self._resume_watermark, [])  # published before the crash, so the result is dropped
        for key, floor in self._floors.items():
            self._open.setdefault(key, OpenEvents()).floor = floor
            heapq.heappush(self._deadlines, (floor[0] + self.config.gap + 1, key))
        self._floors.clear()
        if self.config != self._wanted_config:
            change = RuleChange(offset=self._next_offset, watermark=self._watermark, rules=self._wanted_config)
            self._changes.append(change)
            self._change_rules(change)

    def _change_rules(self, change: RuleChange) -> None:
        """From here on events whose session is open are cut anew; sessions published before stay as they are."""
        self._advance(change.watermark, [])
        self.config = change.rules
        for key, opened in self._open.items():
            opened.whole = False
            if opened.events:
                heapq.heappush(self._deadlines, (first_cut(opened.events, self.config).closes_at, key))

    def _clock(self) -> ClockState:
        return ClockState(newest=self._newest, watermark=self._watermark, arrived_at=self._arrived_at)

    def _click(self, click: Click, offset: int, arrived_at: int, out: list[Output]) -> None:
        timestamp = click.timestamp
        if timestamp < self._watermark:
            if timestamp < self.config.min_timestamp:
                out.append(_absurd(timestamp, self.config))
                return
            late = self._watermark - timestamp
            out.append(
                LateEvent(click=click, watermark=self._watermark, late_by=late, partition=self.partition, offset=offset)
            )
        elif timestamp > arrived_at + self.config.max_future:
            out.append(_future(timestamp, arrived_at, self.config))
        elif timestamp < self.config.min_timestamp:
            out.append(_absurd(timestamp, self.config))
        else:
            self._insert(click)
            if timestamp > self._newest:
                self._newest = timestamp
                self._advance(timestamp - self.config.lateness, out)

    def _heartbeat(self, timestamp: int, arrived_at: int, out: list[Output]) -> None:
        if timestamp > arrived_at + self.config.max_future:
            out.append(_future(timestamp, arrived_at, self.config))
            return
        self._newest = max(self._newest, timestamp)
        self._advance(timestamp, out)  # a promise, so no lateness is allowed for

    def _insert(self, click: Click) -> None:
        config = self.config
        key = _publisher_key(click) if config.publisher_ids else click.user_id
        if self._floors:
            floor = self._floors.get(key)
            if floor is not None and (click.timestamp, click.event_id) <= floor:
                return
        opened = self._open.get(key)
        if opened is None:
            opened = self._open[key] = OpenEvents()
        elif opened.has(click.event_id):
            self.duplicates += 1
            return
        event = SessionEvent(
            event_id=click.event_id,
            item_id=click.item_id,
            timestamp=click.timestamp,
            event_type=click.event_type,
            session_id=click.session_id,
            request_id=click.request_id,
            context=click.context,
        )
        opened.user_id = click.user_id
        appended = opened.add(event, self._block)
        self.open_events += 1
        self._blocks[self._block] = self._blocks.get(self._block, 0) + 1
        events = opened.events
        length = len(events)
        if events[0] is event:
            heapq.heappush(self._deadlines, (click.timestamp + min(config.gap, config.max_duration) + 1, key))
        elif appended and opened.whole:
            timestamp = click.timestamp
            silent = timestamp - events[-2].timestamp > config.gap
            opened.whole = not silent and timestamp - events[0].timestamp <= config.max_duration
        if not appended:
            opened.whole = False
        full = length == config.max_events or (length > config.max_events and not appended)
        if full or click.event_type == SESSION_END:
            opened.whole = False
            heapq.heappush(self._deadlines, (first_cut(events, config).closes_at, key))

    def _arrive(self, arrived_at: int, out: list[Output]) -> None:
        """Advance by the wall clock between two records, if the partition was quiet."""
        if arrived_at > self._arrived_at:
            if self._arrived_at >= 0 and arrived_at - self._arrived_at >= self.config.idle_timeout:
                self._advance(self._idle_watermark(arrived_at), out)
            self._arrived_at = arrived_at

    def _idle_watermark(self, now: int) -> int:
        """The watermark if event time had run with the wall clock since the last record; live data only."""
        if self._newest < 0 or self._arrived_at - self._newest > self.config.live_within:
            return self._watermark
        return self._newest + (now - self._arrived_at) - self.config.lateness

    def _advance(self, watermark: int, out: list[Output]) -> None:
        if watermark <= self._watermark:
            return
        self._watermark = watermark
        deadlines = self._deadlines
        if not deadlines or deadlines[0][0] > watermark:
            return
        closed: list[Session] = []
        while deadlines and deadlines[0][0] <= watermark:
            _, key = heapq.heappop(deadlines)
            opened = self._open.get(key)
            if opened is not None:
                self._close(key, opened, closed)
        if len(closed) > 1:
            closed.sort(key=_closing_order)
        out += closed

    def _close(self, key: str, opened: OpenEvents, closed: list[Session]) -> None:
        """Close what can be closed of one user, and set the next deadline."""
        config = self.config
        while opened.events:
            length, reason, closes_at = self._cut(opened)
            if closes_at > self._watermark:
                heapq.heappush(self._deadlines, (closes_at, key))
                return
            events, blocks = opened.cut(length)
            last = events[-1]
            opened.whole = not opened.events
            opened.floor = None if reason == "gap" else (last.timestamp, last.event_id)
            for block in blocks:
                self._blocks[block] -= 1
            self.open_events -= length
            closed.append(
                Session(
                    session_id=session_id(opened.user_id, events[0]),
                    user_id=opened.user_id,
                    started_at=events[0].timestamp,
                    ended_at=last.timestamp,
                    events=events,
                    close_reason=reason,
                    watermark=closes_at,
                    revision=config.revision,
                )
            )
        if opened.floor is None or opened.floor[0] + config.gap < self._watermark:
            del self._open[key]
        else:
            heapq.heappush(self._deadlines, (opened.floor[0] + config.gap + 1, key))

    def _cut(self, opened: OpenEvents) -> Cut:
        events = opened.events
        if opened.whole:
            return whole_cut(len(events), events[0].timestamp, events[-1].timestamp, self.config)
        return first_cut(events, self.config)


def session_id(user_id: str, first: SessionEvent) -> str:
    """The id of the session that begins with ``first``: the same in every replay of the log."""
    return f"{user_id}:{first.timestamp}:{first.event_id}"


def _publisher_key(click: Click) -> str:
    """Names a user's session of the publisher without ambiguity, whatever characters the ids have."""
    return f"{len(click.user_id)}:{click.user_id}{click.session_id or ''}"


def _closing_order(session: Session) -> tuple[int, str, str]:
    return session.watermark, session.user_id, session.session_id


def _future(timestamp: int, arrived_at: int, config: SessionConfig) -> Rejected:
    ahead = timestamp - arrived_at
    return Rejected(
        "future_timestamp",
        f"timestamp {timestamp} is {ahead} ms ahead of its arrival; at most {config.max_future} ms are allowed. "
        "Set the clock",
    )


def _absurd(timestamp: int, config: SessionConfig) -> Rejected:
    return Rejected(
        "absurd_timestamp",
        f"timestamp {timestamp} is before {config.min_timestamp}; milliseconds since 1970 are expected, were seconds "
        "sent?",
    )
