"""The streaming sessionizer of one partition: records in, closed sessions out. No IO, no clock reads."""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from typing import NamedTuple

from mos_online.contracts import SESSION_END, Click, CloseReason, Heartbeat, LateEvent, Session, SessionEvent
from mos_online.sessions.checkpoint import Checkpoint, ClockState
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.cut import Pending, first_cut

BLOCK = 256
"""Offsets are counted in blocks of this many: the checkpoint is that much coarser, and the bookkeeping O(1)."""


class Rejected(NamedTuple):
    """A click that follows the contract but cannot be believed; the caller sends it to the dead-letter topic."""

    reason: str
    message: str


Output = Session | LateEvent | Rejected


class _User:
    """Open events of one user, and where their last session was cut while they may have gone on."""

    __slots__ = ("floor", "ids", "pending")

    def __init__(self) -> None:
        self.pending: list[Pending] = []
        self.ids: set[str] = set()
        self.floor: tuple[int, str] | None = None


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
        self.config = config
        self.partition = partition
        clock = checkpoint.clock if checkpoint else ClockState()
        self._newest = clock.newest
        self._watermark = clock.watermark
        self._arrived_at = clock.arrived_at
        self._next_offset = checkpoint.offset if checkpoint else 0
        self._restoring = checkpoint is not None
        self._published_to = checkpoint.published_to if checkpoint else 0
        self._resume_watermark = checkpoint.watermark if checkpoint else -1
        self._floors = dict(checkpoint.floors) if checkpoint else {}
        self._users: dict[str, _User] = {}
        self._deadlines: list[tuple[int, str]] = []
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
        return len(self._users)

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
        if not restoring:
            self.resume()
        block = offset // BLOCK
        if not self._marks or self._marks[-1][0] < block:
            self._marks.append((block, offset, self._clock()))
        self._next_offset = offset + 1
        out = self._advance_idle(arrived_at)
        if isinstance(message, Heartbeat):
            out += self._heartbeat(message.heartbeat, arrived_at)
        elif message is not None:
            for click in message:
                out += self._click(click, offset, arrived_at)
        return [] if restoring else out

    def tick(self, now: int) -> list[Output]:
        """Let a quiet partition advance by the wall clock ``now`` (ms); call it about once a second.

        Stays ``idle_timeout`` behind what the next record would do, so that a record stamped by another machine's
        clock cannot find its session closed too early.
        """
        if self._arrived_at < 0 or now - self._arrived_at < self.config.idle_timeout:
            return []
        return self._advance(self._idle_watermark(now - self.config.idle_timeout))

    def checkpoint(self) -> Checkpoint:
        """Describe this moment; store it only after everything returned so far has been published durably."""
        self.resume()
        while len(self._marks) > 1 and self._blocks.get(self._marks[0][0], 0) == 0:
            self._blocks.pop(self._marks.popleft()[0], None)
        if self._marks and self.open_events:
            _, offset, clock = self._marks[0]
        else:
            offset, clock = self._next_offset, self._clock()
        return Checkpoint(
            offset=offset,
            clock=clock,
            published_to=self._next_offset,
            watermark=self._watermark,
            floors={name: user.floor for name, user in self._users.items() if user.floor is not None},
        )

    def resume(self) -> None:
        """End the re-reading of the log: the next record is a new one. Does nothing otherwise."""
        if not self._restoring:
            return
        self._restoring = False
        self._next_offset = max(self._next_offset, self._published_to)
        self._advance(self._resume_watermark)  # published before the crash, so the result is dropped
        for name, floor in self._floors.items():
            user = self._users.setdefault(name, _User())
            user.floor = floor
            heapq.heappush(self._deadlines, (floor[0] + self.config.gap + 1, name))
        self._floors.clear()

    def _clock(self) -> ClockState:
        return ClockState(newest=self._newest, watermark=self._watermark, arrived_at=self._arrived_at)

    def _click(self, click: Click, offset: int, arrived_at: int) -> list[Output]:
        timestamp = click.timestamp
        if timestamp > arrived_at + self.config.max_future:
            return [Rejected("future_timestamp", _future(timestamp, arrived_at, self.config.max_future))]
        if timestamp < self.config.min_timestamp:
            return [Rejected("absurd_timestamp", _absurd(timestamp, self.config.min_timestamp))]
        if timestamp >= self._watermark:
            self._insert(click, offset // BLOCK)
            return self._advance_newest(timestamp)
        late_by = self._watermark - timestamp
        return [
            LateEvent(click=click, watermark=self._watermark, late_by=late_by, partition=self.partition, offset=offset)
        ]

    def _heartbeat(self, timestamp: int, arrived_at: int) -> list[Output]:
        if timestamp > arrived_at + self.config.max_future:
            return [Rejected("future_timestamp", _future(timestamp, arrived_at, self.config.max_future))]
        self._newest = max(self._newest, timestamp)
        return self._advance(timestamp)  # a promise, so no lateness is allowed for

    def _insert(self, click: Click, block: int) -> None:
        name = click.user_id
        if self._floors:
            floor = self._floors.get(name)
            if floor is not None and (click.timestamp, click.event_id) <= floor:
                return
        user = self._users.get(name)
        if user is None:
            user = self._users[name] = _User()
        if click.event_id in user.ids:
            self.duplicates += 1
            return
        user.ids.add(click.event_id)
        event = SessionEvent(
            event_id=click.event_id,
            item_id=click.item_id,
            timestamp=click.timestamp,
            event_type=click.event_type,
            session_id=click.session_id,
            context=click.context,
        )
        entry = Pending(click.timestamp, click.event_id, block, event)
        pending = user.pending
        if pending and entry < pending[-1]:
            insort(pending, entry)
        else:
            pending.append(entry)
        self.open_events += 1
        self._blocks[block] = self._blocks.get(block, 0) + 1
        if pending[0] is entry:
            heapq.heappush(self._deadlines, (click.timestamp + self.config.gap + 1, name))
        if click.event_type == SESSION_END or len(pending) >= self.config.max_events:
            heapq.heappush(self._deadlines, (first_cut(pending, self.config).closes_at, name))

    def _advance_newest(self, timestamp: int) -> list[Output]:
        if timestamp <= self._newest:
            return []
        self._newest = timestamp
        return self._advance(timestamp - self.config.lateness)

    def _advance_idle(self, arrived_at: int) -> list[Output]:
        """Advance by the wall clock between two records, if the partition was quiet."""
        out: list[Output] = []
        if self._arrived_at >= 0 and arrived_at - self._arrived_at >= self.config.idle_timeout:
            out = self._advance(self._idle_watermark(arrived_at))
        self._arrived_at = max(self._arrived_at, arrived_at)
        return out

    def _idle_watermark(self, now: int) -> int:
        """The watermark if event time had run with the wall clock since the last record; live data only."""
        if self._newest < 0 or self._arrived_at - self._newest > self.config.live_within:
            return self._watermark
        return self._newest + (now - self._arrived_at) - self.config.lateness

    def _advance(self, watermark: int) -> list[Output]:
        if watermark <= self._watermark:
            return []
        self._watermark = watermark
        out: list[Session] = []
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= watermark:
            _, name = heapq.heappop(deadlines)
            user = self._users.get(name)
            if user is not None:
                self._close(name, user, out)
        if len(out) > 1:
            out.sort(key=_closing_order)
        return list[Output](out)

    def _close(self, name: str, user: _User, out: list[Session]) -> None:
        """Close what can be closed of one user, and set the next deadline."""
        config = self.config
        pending = user.pending
        while pending:
            cut = first_cut(pending, config)
            if cut.closes_at > self._watermark:
                heapq.heappush(self._deadlines, (cut.closes_at, name))
                return
            closed, pending = pending[: cut.length], pending[cut.length :]
            user.pending = pending
            last = closed[-1]
            user.floor = None if cut.reason == "gap" else (last.timestamp, last.event_id)
            for entry in closed:
                user.ids.discard(entry.event_id)
                self._blocks[entry.block] -= 1
            self.open_events -= len(closed)
            out.append(_session(name, closed, cut.reason, cut.closes_at))
        if user.floor is None or user.floor[0] + config.gap < self._watermark:
            del self._users[name]
        else:
            heapq.heappush(self._deadlines, (user.floor[0] + config.gap + 1, name))


def session_id(user_id: str, first: SessionEvent) -> str:
    """The id of the session that begins with ``first``: the same in every replay of the log."""
    return f"{user_id}:{first.timestamp}:{first.event_id}"


def _closing_order(session: Session) -> tuple[int, str, int, str]:
    return session.watermark, session.user_id, session.started_at, session.events[0].event_id


def _session(user_id: str, closed: list[Pending], reason: CloseReason, closes_at: int) -> Session:
    events = [entry.event for entry in closed]
    return Session(
        session_id=session_id(user_id, events[0]),
        user_id=user_id,
        started_at=events[0].timestamp,
        ended_at=events[-1].timestamp,
        events=events,
        close_reason=reason,
        watermark=closes_at,
    )


def _future(timestamp: int, arrived_at: int, limit: int) -> str:
    ahead = timestamp - arrived_at
    return f"timestamp {timestamp} is {ahead} ms ahead of its arrival; at most {limit} ms are allowed. Set the clock"


def _absurd(timestamp: int, lowest: int) -> str:
    return f"timestamp {timestamp} is before {lowest}; milliseconds since 1970 are expected, were seconds sent?"
