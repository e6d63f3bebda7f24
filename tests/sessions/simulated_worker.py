"""A log, workers that crash at any step, and what must hold of all that they have published."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from mos_online.contracts import Click, Heartbeat, LateEvent, Session
from mos_online.sessions import Output, SessionConfig, Sessionizer, SessionizerCheckpoint

Message = list[Click] | Heartbeat | None
Place = tuple[int, int]
"""Offset of a record and timestamp of a click in it; no record has two of one time."""


class KilledError(Exception):
    """The worker has been killed."""


@dataclass(frozen=True)
class Appended:
    """A record of the log, with the broker's time of arrival, which it may not bear."""

    offset: int
    at: int
    message: Message
    by_broker: bool

    @property
    def newest(self) -> int:
        """The latest time that it speaks of."""
        if isinstance(self.message, Heartbeat):
            return self.message.heartbeat
        return max((click.timestamp for click in self.message or ()), default=0)


@dataclass
class Topics:
    """What outlives every worker.

    Attributes:
        log: of clicks; offsets may have gaps.
        low: offset of the first record that retention has left.
        checkpoint: the durable one.
        needed: the lowest offset with an event that was open at that checkpoint.
        sessions: (session_id, revision) -> value.
        late: the late events by place.
        rejected: places of rejected clicks.
    """

    log: list[Appended] = field(default_factory=list)
    low: int = 0
    checkpoint: bytes | None = None
    needed: int = 0
    sessions: dict[tuple[str, int], bytes] = field(default_factory=dict)
    late: dict[Place, bytes] = field(default_factory=dict)
    rejected: set[Place] = field(default_factory=set)

    @property
    def end(self) -> int:
        return self.log[-1].offset + 1 if self.log else 0

    def publish(self, output: Output, offset: int | None) -> None:
        if isinstance(output, Session):
            value = msgspec.json.encode(output)
            name = output.session_id, output.revision
            assert self.sessions.setdefault(name, value) == value, "a repeat of a session differs"
        elif isinstance(output, LateEvent):
            value = msgspec.json.encode(output)
            place = output.offset, output.click.timestamp
            assert self.late.setdefault(place, value) == value, "a repeat of a late event differs"
        else:
            assert offset is not None
            (timestamp,) = re.findall(r"timestamp (\d+)", output.message)
            self.rejected.add((offset, int(timestamp)))


class Worker:
    """A worker that processes a log as the sessionizer of ``streams`` does, until its fuse has burnt down.

    Args:
        topics: what it reads and writes.
        rules: that it is started with.
        skew: how much its clock is ahead (ms).
        fuse: how many steps that the outside can see it lives; None for ever.
    """

    def __init__(self, topics: Topics, rules: SessionConfig, *, skew: int = 0, fuse: int | None = None) -> None:
        self.topics = topics
        self.skew = skew
        self.fuse = fuse
        start = SessionizerCheckpoint.of_nothing(rules, offset=topics.low)
        if topics.checkpoint is not None:
            start = msgspec.json.decode(topics.checkpoint, type=SessionizerCheckpoint)
        self.log_end = topics.end
        start = start.under(rules, log_end=topics.end)
        self._store(start)
        if topics.low > start.start.offset:
            start = start.beginning_at(topics.low)
        self.sessionizer = Sessionizer(start, partition=0, log_end=topics.end)
        for record in topics.log:
            if start.start.offset <= record.offset < start.published_to:
                assert self._process(record, now=record.at) == [], "a re-read published something"
        self.out(self.sessionizer.resume, None)
        assert self.sessionizer.missing_events == 0

    def burn(self) -> None:
        if self.fuse is not None:
            if self.fuse == 0:
                raise KilledError
            self.fuse -= 1

    def out(self, produce: Callable[[], list[Output]], offset: int | None) -> None:
        for output in produce():
            self.burn()
            self.topics.publish(output, offset)

    def _store(self, checkpoint: SessionizerCheckpoint) -> None:
        self.burn()
        self.topics.checkpoint = msgspec.json.encode(checkpoint)
        self.burn()

    def _process(self, record: Appended, *, now: int) -> list[Output]:
        return self.sessionizer.process(
            record.message,
            offset=record.offset,
            arrived_at=record.at if record.by_broker else now,
            by_broker=record.by_broker,
        )

    def store(self, decided: int | None = None) -> None:
        """Make a checkpoint durable, and note what a restart from it needs of the log."""
        checkpoint = self.sessionizer.checkpoint(decided=decided)
        self._store(checkpoint)
        self.topics.needed = min([self.sessionizer.next_offset, *self._open_offsets()])

    def _open_offsets(self) -> list[int]:
        open_events = {
            (opened.user_id, event.event_id, event.timestamp, event.item_id)
            for opened in self.sessionizer._windows._open.values()
            for event in opened.events
        }
        found: dict[tuple[str, str, int, str], int] = {}
        for record in self.topics.log:
            if record.offset >= self.sessionizer.next_offset or not isinstance(record.message, list):
                continue
            for click in record.message:
                name = click.user_id, click.event_id, click.timestamp, click.item_id
                if name in open_events and (record.offset, click.timestamp) not in self.topics.late:
                    found.setdefault(name, record.offset)
        assert found.keys() == open_events
        return list(found.values())

    def take(self, count: int, now: int) -> None:
        """Process the next records of the log, at most ``count``, in one batch."""
        sessionizer, clock = self.sessionizer, now + self.skew
        ready = [record for record in self.topics.log if record.offset >= sessionizer.next_offset][:count]
        while ready:
            times = [(record.offset, record.newest) for record in ready if not record.by_broker]
            together = sessionizer.together(times) if times else 0
            end = times[together][0] if together < len(times) else ready[-1].offset + 1
            batch, ready = [r for r in ready if r.offset < end], [r for r in ready if r.offset >= end]
            times = times[:together]
            if times and sessionizer.decide(max(t for _, t in times), end=times[-1][0] + 1, now=clock):
                self.store()
            for record in batch:
                self.out(lambda record=record: self._process(record, now=clock), record.offset)  # type: ignore[misc]

    def tick(self, now: int) -> None:
        """Let the wall clock close sessions: not before all is taken that another worker may have taken.

        Newer records may wait, because they are fetched late.
        """
        if any(self.sessionizer.next_offset <= record.offset < self.log_end for record in self.topics.log):
            return
        watermark = self.sessionizer.due(now + self.skew)
        if watermark is not None:
            self.store(watermark)
            self.out(lambda: [*self.sessionizer.advance(watermark)], None)


def check(topics: Topics) -> None:
    """Every click is in exactly one of: one session, late events, dead letters, ignored repeats of one in a session."""
    taken = Counter[tuple[str, str, int, str]]()
    for value in topics.sessions.values():
        session = msgspec.json.decode(value, type=Session)
        taken.update((session.user_id, event.event_id, event.timestamp, event.item_id) for event in session.events)
    assert set(taken.values()) <= {1}, "an event is in two sessions"
    kept = Counter[tuple[str, str, int, str]]()
    for record in topics.log:
        for click in record.message if isinstance(record.message, list) else ():
            place, name = (
                (record.offset, click.timestamp),
                (click.user_id, click.event_id, click.timestamp, click.item_id),
            )
            refused = (place in topics.late) + (place in topics.rejected)
            assert refused <= 1, "an event is both late and rejected"
            kept[name] += 1 - refused
    assert {name for name, count in kept.items() if count} == taken.keys(), "an event is lost, or in two places"
