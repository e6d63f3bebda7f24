"""Replays a log into the running system, watches what comes out, and waits until all of it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import polars as pl
from rich.console import Console

from mos_cli.demo.counted import CountedClicks
from mos_cli.demo.display import Display, RunningTotals, median
from mos_cli.demo.log import DemoLog
from mos_cli.demo.observer import Observer
from mos_cli.demo.open_sessions import OpenSessions
from mos_cli.demo.phases import Phases
from mos_cli.demo.seen import Seen
from mos_cli.demo.visit import visitors_of
from mos_cli.supervisor import Supervisor
from mos_online.processes import StalledError, wait_until
from mos_online.sessions import offline_sessions
from mos_online.settings import Settings
from simulator.replay import ClicksTopic, FreshnessGuard, Progress, Replay, ReplayConfig, Speed, lag_guard
from simulator.visitors import Visitors

PATIENCE = 30.0
"""Seconds without any progress, with a Kafka that answers, after which what has not come out counts as lost."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """How the replay waited for the service.

    Attributes:
        spans_ms: kind of counts -> event time (ms) that a click might be on its way.
        seconds: waited for the service, and for the readers of the topic.
        given_up: clicks that were waited for in vain.
    """

    spans_ms: Mapping[str, float]
    seconds: float
    given_up: int


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A finished replay.

    Attributes:
        seen: what came out of the system.
        visitors: who asked, and what they were answered.
        timeline: about five totals a second.
        expected: the clicks that must be in sessions; columns as for ``offline_sessions``.
        waits: how the service was waited for.
    """

    seen: Seen
    visitors: Visitors
    timeline: Sequence[RunningTotals]
    expected: pl.DataFrame
    waits: Waits

    @property
    def seconds(self) -> float:
        """How long the replay took."""
        return self.timeline[-1].seconds if self.timeline else 0.0

    @property
    def delays(self) -> Mapping[str, Sequence[float]]:
        """Latencies in ms by name, for the report's figure."""
        return {
            "POST /v1/recommend": self.visitors.http_ms,
            "click to session": self.seen.close_ms,
            "click to profile": self.seen.embedding_ms,
            "click to recommendation": self.seen.freshness_ms,
        }


def watch_replay(
    log: DemoLog,
    *,
    speed: Speed,
    spans_ms: Mapping[str, float],
    settings: Settings,
    supervisor: Supervisor,
    console: Console,
    phases: Phases,
) -> Watched:
    """Replay, with visitors asking before their clicks, until every session has its recommendation.

    Args:
        log: the clicks to send.
        speed: of the replay, at most.
        spans_ms: kind of counts -> event time (ms) by which the service may be behind.
        settings: of the running services.
        supervisor: the services; watched for exits.
        console: to show progress on.
        phases: takes the time of "replay" and "drain".

    Raises:
        MosError: a service exited, or Kafka cannot be read or written.
    """
    visitors, counted = visitors_of(log, settings), CountedClicks(settings)
    observer = Observer(settings, visitors.on_recommendation)
    watch = _Watch(settings, supervisor, observer, visitors, counted)
    observer.start()

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    try:
        with phases.measure("replay"), Display(console) as display:
            waits = watch.replay(log, speed, spans_ms, display, say=say)
        with phases.measure("drain"):
            console.print("replayed; waiting for the last sessions ...")
            watch.drain(say=say)
    finally:
        observer.stop()
        visitors.close()
        counted.close()
    return Watched(
        seen=observer.seen,
        visitors=visitors,
        timeline=watch.timeline,
        expected=watch.expected,
        waits=waits,
    )


class _Watch:
    """The running system, its visitors and its observer; ``replay``, then ``drain``."""

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        observer: Observer,
        visitors: Visitors,
        counted: CountedClicks,
    ) -> None:
        self.timeline: list[RunningTotals] = []
        self.expected = pl.DataFrame()
        self._settings, self._supervisor, self._observer, self._visitors = settings, supervisor, observer, visitors
        self._counted, self._open_sessions = counted, OpenSessions(settings)

    def replay(
        self, log: DemoLog, speed: Speed, spans_ms: Mapping[str, float], display: Display, *, say: Callable[[str], None]
    ) -> Waits:
        """Send the clicks and show what comes of them."""
        settings = self._settings
        groups = [settings.group("sessionizer"), settings.group("popularity")]
        with ClicksTopic(settings, say=say) as topic, lag_guard(settings, groups) as guard:
            freshness = FreshnessGuard(self._counted, spans_ms, partitions=topic.partitions)
            replay = Replay(
                log.replayed,
                topic,
                ReplayConfig(speed=speed),
                sessions=settings.sessions,
                categories=log.before.categories,
                guard=guard,
                freshness=freshness,
                before_click=self._visitors.before_click,
            )
            self.expected = replay.expected
            for progress in replay.run():
                self._check()
                self.timeline.append(self._totals(progress))
                display.show(self.timeline[-1])
        self._open_sessions.close()
        return Waits(spans_ms=spans_ms, seconds=replay.waited, given_up=freshness.given_up)

    def drain(self, *, say: Callable[[str], None]) -> None:
        """Wait until every session has its embedding and its recommendation, or nothing moves although Kafka answers.

        Args:
            say: is given a line when Kafka goes away, and when it is back.
        """
        due, outage = len(offline_sessions(self.expected, self._settings.sessions)), self._observer.outage
        outage.say = say
        with suppress(StalledError):
            wait_until(
                lambda: self._moved() >= 3 * due,
                progress=lambda: (self._moved(), outage.looks),
                stalled=PATIENCE,
                longest=math.inf,
            )

    def _moved(self) -> int:
        self._check()
        seen = self._observer.seen
        return len(seen.sessions) + len(seen.embedded) + len(seen.recommendations)

    def _check(self) -> None:
        self._supervisor.check()
        self._observer.check()

    def _totals(self, progress: Progress) -> RunningTotals:
        seen, visitors = self._observer.seen, self._visitors
        return RunningTotals(
            seconds=progress.elapsed,
            event_time=progress.event_time,
            events=progress.sent,
            of=progress.total,
            sessions=len(seen.sessions),
            open=self._open_sessions(),
            embeddings=len(seen.embedded),
            recommendations=len(seen.recommendations),
            asked=len(visitors.http_ms),
            freshness_p50=median(seen.freshness_ms),
            http_p50=median(visitors.http_ms),
            errors=sum(seen.dead_letters.values()) + sum(visitors.failures.values()),
        )
