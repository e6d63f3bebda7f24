"""Publishes a click log in order of event time, at a chosen speed, without overrunning its readers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from mos_online import contracts
from mos_online.contracts import Click, Context
from mos_online.sessions.config import SessionConfig
from simulator.dataset import EVENT_COLUMNS
from simulator.faults.malformed import malform
from simulator.faults.plan import Kind, plan
from simulator.replay.config import ReplayConfig, check_clicks, check_times
from simulator.replay.envelopes import Envelopes
from simulator.replay.freshness import FreshnessGuard
from simulator.replay.lag import LagGuard
from simulator.replay.publisher import Publisher, Topic

EARLY = 0.002
"""Seconds that a click may be sent before its time: to sleep for less is not worth it."""
REPORT_EVERY, BEAT_EVERY, LOOK_EVERY = 0.2, 1.0, 0.05
"""Seconds between reports, heartbeats, and looks at the readers while waiting for them."""


@dataclass(frozen=True, kw_only=True)
class WallClock:
    """The clock that a replay reads and sleeps by; a test puts one of its own in its place."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a replay has come.

    Attributes:
        sent, total: clicks, counting repeated ones twice.
        messages: on the topic, with heartbeats.
        event_time: reached so far (ms since epoch).
        elapsed: seconds since the start.
        rate: clicks per second since the previous report.
        lag: unread messages of the fullest partition; None if no group is watched.
        waiting: for the readers.
    """

    sent: int
    total: int
    messages: int
    event_time: int
    elapsed: float
    rate: float
    lag: int | None
    waiting: bool


class _Scheduled(NamedTuple):
    """A row of ``Schedule.frame``: a click, when it is sent and how it is harmed."""

    user_id: str
    item_id: str
    event_id: str
    timestamp: int
    event_type: str
    session_id: str | None
    release: int
    kind: int
    malformation: int


class Replay:
    """A single pass over a click log.

    Args:
        clicks: rows as of ``Dataset.clicks``, ascending in (timestamp, event_id), at least one.
        topic: where to.
        config: how.
        sessions: the rules of the sessionizer that will read this.
        categories: item_id -> category; becomes ``category`` in the context of the item's clicks.
        guard: makes the replay wait for its readers.
        freshness: makes it wait until the service has counted what was sent, in a log without faults or envelopes.
        before_click: called with every click that is meant to be in time, in order, just before it is sent.
        clock: the wall clock; rebased timestamps count from the moment of construction.

    Attributes:
        expected: the clicks that must end up in sessions, with the timestamps that are sent; columns of
            ``Dataset.events``. What ``offline_sessions`` makes of it is what the stream must make.
        injected: the faults, counted.
        origin: timestamp of the first click that is sent, ms.
        closing: event time (ms) of the heartbeats that close the last sessions; None with ``rebase``, where the wall
            clock closes them a gap later, and for clicks so young that it would lie in the future.
        waited: seconds that it has waited for its readers.

    Raises:
        SettingsError: the delays of envelopes and disorder exceed the lateness.
        DatasetError: no clicks, not in order, or times that the sessionizer would refuse.
    """

    def __init__(
        self,
        clicks: pl.DataFrame,
        topic: Topic,
        config: ReplayConfig,
        *,
        sessions: SessionConfig,
        categories: Mapping[str, str] | None = None,
        guard: LagGuard | None = None,
        freshness: FreshnessGuard | None = None,
        before_click: Callable[[Click], None] | None = None,
        clock: WallClock | None = None,
    ) -> None:
        self._clock = clock or WallClock()
        self._speed = config.speed
        self._guard = guard
        self._freshness = freshness
        self._before_click = before_click
        self._contexts: dict[str, Context] = {i: {"category": c} for i, c in (categories or {}).items()}
        span = config.span(sessions)
        now = self._clock.now_ms()
        check_clicks(clicks)
        shifted = config.shifted(clicks.select(list(EVENT_COLUMNS)), now)
        if not config.rebase:
            check_times(shifted["timestamp"], sessions, now)
        schedule = plan(shifted, config.faults, sessions, slack=config.slack(sessions) - span, now=now)
        self._frame = schedule.frame.select(_Scheduled._fields)
        self.origin = int(shifted["timestamp"][0])
        self.expected, self.injected = schedule.expected, schedule.injected
        end = int(shifted["timestamp"][-1]) + sessions.gap + sessions.lateness + 1
        self.closing = end if not config.rebase and end <= now else None
        self._publisher = Publisher(
            topic,
            envelopes=Envelopes(size=config.envelope, span=span) if config.envelope > 1 else None,
            lateness=sessions.lateness,
            beats=not config.rebase,
            guard=guard,
        )
        self.waited = 0.0
        self._sent = 0
        self._started = self._next_beat = self._next_report = self._reported_at = 0.0
        self._reported_sent = 0

    def run(self) -> Iterator[Progress]:
        """Send everything; reports about five times a second, and once at the end. Use it once.

        Raises:
            BrokerError: a message could not be delivered, or the readers have stopped.
        """
        clock, publisher = self._clock.monotonic, self._publisher
        due_at = self._speed.offsets(self._frame["release"].to_numpy(), self.origin).tolist()
        started = self._started = self._reported_at = self._next_beat = clock()
        for due, row in zip(due_at, map(_Scheduled._make, self._frame.iter_rows()), strict=True):
            while not self._has_room(row):
                since = clock()
                self._clock.sleep(LOOK_EVERY)
                self._ask_readers(row)
                self.waited += clock() - since
                started += clock() - since  # the rest of the log is sent at the asked speed, not in a burst
                if clock() >= self._next_report:
                    yield self._report(waiting=True)
            while (wait := started + due - (now := clock())) > EARLY:
                publisher.pass_time(min(row.release, self._speed.event_time(self.origin, now - started)))
                self._clock.sleep(min(wait, REPORT_EVERY))
                if clock() >= self._next_report:
                    yield self._report()
            publisher.pass_time(row.release)
            self._send(row)
            if now >= self._next_report:
                yield self._report()
        publisher.finish(self.closing)
        yield self._report()

    def _has_room(self, row: _Scheduled) -> bool:
        room = self._guard is None or self._guard.has_room
        return room and (self._freshness is None or self._freshness.allows(row.timestamp))

    def _ask_readers(self, row: _Scheduled) -> None:
        now = self._clock.monotonic()
        if self._guard is not None and not self._guard.has_room:
            self._guard.refresh(now)
        if self._freshness is not None and not self._freshness.allows(row.timestamp):
            self._freshness.refresh(row.timestamp, now)

    def _send(self, row: _Scheduled) -> None:
        kind = row.kind
        click = Click(
            user_id=row.user_id,
            item_id=row.item_id,
            event_id=row.event_id,
            timestamp=row.timestamp,
            event_type=row.event_type,
            session_id=row.session_id,
            context=self._contexts.get(row.item_id),
        )
        self._sent += 1
        if kind in (Kind.ON_TIME, Kind.DISORDERED):
            if self._before_click is not None:
                self._before_click(click)
            self._publisher.click(click)
            if self._freshness is not None:
                self._freshness.sent(self._publisher.partition(click.user_id), click.timestamp)
        elif kind == Kind.MALFORMED:
            self._publisher.alone(row.user_id, malform(click, row.malformation))
        else:
            if kind == Kind.TOO_LATE:
                self._publisher.promise(row.user_id)
            self._publisher.alone(row.user_id, contracts.encode(click))

    def _report(self, *, waiting: bool = False) -> Progress:
        now = self._clock.monotonic()
        self._publisher.check()
        if now >= self._next_beat:
            self._publisher.beat()
            self._next_beat = now + BEAT_EVERY
        if self._guard is not None and not waiting:
            self._guard.refresh(now)
        seconds = max(now - self._reported_at, 1e-9)
        progress = Progress(
            sent=self._sent,
            total=len(self._frame),
            messages=self._publisher.messages,
            event_time=self._publisher.event_time,
            elapsed=now - self._started,
            rate=(self._sent - self._reported_sent) / seconds,
            lag=None if self._guard is None else self._guard.lag,
            waiting=waiting,
        )
        self._next_report, self._reported_at, self._reported_sent = now + REPORT_EVERY, now, self._sent
        return progress
