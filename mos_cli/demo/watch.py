"""Replays a log into the running system, watches what comes out, and waits until all of it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx
import polars as pl
from rich.console import Console

from mos_cli.demo.display import Display, Moment, median
from mos_cli.demo.observer import Observer, Seen, wait_until
from mos_cli.supervisor import Supervisor
from mos_online.baselines import LastItemKnn, RecentPopularity, knn_half_life
from mos_online.items.clicks import to_clicks
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.sessions import offline_sessions
from mos_online.settings import Settings
from simulator.kafka import ClicksTopic, lag_guard
from simulator.replay import Progress, Replay
from simulator.replay_config import ReplayConfig
from simulator.speed import Speed
from simulator.visitors import Visitors

REQUESTS = 3000
"""About so many visitors ask for a recommendation during a replay; asking is waited for, so never for more than one
click in ``SELDOM``."""

SELDOM = 10

PATIENCE = 30.0
"""Seconds without any progress after which what has not come out of the system counts as lost."""

_OPEN = re.compile(r"^mos_sessionizer_open_sessions(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A finished replay.

    Attributes:
        seen: what came out of the system.
        visitors: who asked, what they were answered, and the judge.
        timeline: about five moments a second.
        expected: the clicks that must be in sessions; columns as for ``offline_sessions``.
    """

    seen: Seen
    visitors: Visitors
    timeline: Sequence[Moment]
    expected: pl.DataFrame

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
    *,
    before: pl.DataFrame,
    replayed: pl.DataFrame,
    categories: Mapping[str, str],
    half_life_ms: float,
    speed: Speed,
    settings: Settings,
    supervisor: Supervisor,
    console: Console,
    phase: Callable[[str], AbstractContextManager[None]],
) -> Watched:
    """Replay, with visitors asking before their clicks, until every session has its recommendation.

    Args:
        before: clicks before the replay; the newest teach the baselines.
        replayed: clicks to send.
        categories: item -> category.
        half_life_ms: of popularity.
        speed: of the replay.
        settings: of the running services.
        supervisor: the services; watched for exits.
        console: to show progress on.
        phase: a context manager by name that measures time.

    Raises:
        MosError: a service exited, or Kafka cannot be read or written.
    """
    visitors = _visitors(before, len(replayed), categories, half_life_ms, settings)
    observer = Observer(settings, visitors.on_recommendation)
    observer.start()
    timeline: list[Moment] = []
    try:
        with (
            ClicksTopic(settings) as topic,
            lag_guard(settings, [settings.group("sessionizer"), settings.group("popularity")]) as guard,
            phase("replay"),
            Display(console) as display,
        ):
            replay = Replay(
                replayed,
                topic,
                ReplayConfig(speed=speed),
                sessions=settings.sessions,
                categories=categories,
                guard=guard,
                before_click=visitors.before_click,
            )
            for progress in replay.run():
                supervisor.check()
                observer.check()
                now = _moment(progress, observer.seen, visitors, settings)
                timeline.append(now)
                display.show(now)
        with phase("drain"):
            console.print("replayed; waiting for the last sessions ...")
            _drain(replay.expected, observer, settings, supervisor)
    finally:
        observer.stop()
        visitors.close()
    return Watched(seen=observer.seen, visitors=visitors, timeline=timeline, expected=replay.expected)


def _visitors(
    before: pl.DataFrame, clicks: int, categories: Mapping[str, str], half_life_ms: float, settings: Settings
) -> Visitors:
    popularity = RecentPopularity(half_life_ms=half_life_ms)
    knn = LastItemKnn(gap_ms=settings.sessions.gap, half_life_ms=knn_half_life(half_life_ms), fill=popularity)
    for click in to_clicks(before.tail(WARM_UP_CLICKS), categories):
        popularity.observe(click)
        knn.observe(click)
    return Visitors(
        url=settings.recommend_url,
        api_key=settings.api_key,
        gap=settings.sessions.gap,
        every=max(SELDOM, clicks // REQUESTS),
        popularity=popularity,
        knn=knn,
    )


def _drain(expected: pl.DataFrame, observer: Observer, settings: Settings, supervisor: Supervisor) -> None:
    due = len(offline_sessions(expected, settings.sessions))
    seen = observer.seen

    def moved() -> int:
        supervisor.check()
        observer.check()
        return len(seen.sessions) + len(seen.embedded) + len(seen.recommendations)

    wait_until(lambda: moved() >= 3 * due, progress=moved, patience=PATIENCE)


def _moment(progress: Progress, seen: Seen, visitors: Visitors, settings: Settings) -> Moment:
    return Moment(
        seconds=progress.elapsed,
        event_time=progress.event_time,
        events=progress.sent,
        of=progress.total,
        sessions=len(seen.sessions),
        open=_open_sessions(settings),
        embeddings=len(seen.embedded),
        recommendations=len(seen.recommendations),
        asked=len(visitors.http_ms),
        freshness_p50=median(seen.freshness_ms),
        http_p50=median(visitors.http_ms),
        errors=sum(seen.dead_letters.values()) + sum(visitors.failures.values()),
    )


def _open_sessions(settings: Settings) -> int:
    """What the worker says of itself; 0 when it does not answer."""
    try:
        text = httpx.get(f"http://127.0.0.1:{settings.worker_port}/metrics", timeout=0.5).text
    except httpx.HTTPError:
        return 0
    return int(sum(float(value) for value in _OPEN.findall(text)))
