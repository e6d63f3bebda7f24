"""The demo, step by step: load, train, backfill, start, replay and judge, drain, check, report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mos_cli.demo import report as reporting
from mos_cli.demo.clock import moment
from mos_cli.demo.display import Display, Moment, median
from mos_cli.demo.observer import Observer, Seen, wait_until
from mos_cli.demo.summary import build_report, print_report, samples
from mos_cli.demo.verify import check_profiles, check_sessions
from mos_cli.demo.visitors import Visitors
from mos_cli.processes import Fleet, free_port, local_services
from mos_online.backfill import past_sessions, profiles, select_events
from mos_online.errors import DatasetError
from mos_online.evaluation import LastItemKnn, RecentPopularity
from mos_online.profile import RingSizes
from mos_online.registry import Registry
from mos_online.settings import PREFIX, Settings
from mos_online.training import TrainConfig, TrainReport, knn_half_life, to_clicks, train
from simulator.datasets import load, require_clock
from simulator.kafka import ClicksTopic, lag_guard
from simulator.replay import Replay
from simulator.replay_config import ReplayConfig
from simulator.speed import Speed
from simulator.window import window

REQUESTS = 3000
"""About so many visitors ask for a recommendation during a replay."""

WARM = 300_000
"""So many clicks before the replay teach the baselines."""

PATIENCE = 30.0
"""Seconds without any progress after which what has not come out of the system counts as lost."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What to show.

    Attributes:
        dataset: a folder of MOS_DATA_DIR, or "synthetic".
        speed, events, start: of the replay, see ``mos replay``.
        backbone, minutes: of the model and its fitting.
    """

    dataset: str
    speed: Speed
    events: int
    start: str
    backbone: str
    minutes: float


@dataclass
class _Clock:
    """Seconds of each phase."""

    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = round(time.monotonic() - started, 1)


def run_demo(config: DemoConfig, outer: Settings, console: Console) -> bool:
    """Run the demo in ``MOS_HOME/demo`` and leave a report there; whether everything was right.

    Raises:
        MosError: a step could not be done; every started process has been stopped.
    """
    settings = _prepare(outer)
    clock = _Clock()
    begun = time.time()
    with clock.phase("load"):
        dataset = require_clock(load(config.dataset, settings.data_dir), settings.data_dir)
        replayed = window(dataset.clicks, start=config.start, count=config.events)
        cut = int(replayed["timestamp"][0])
        before = dataset.clicks.filter(pl.col("timestamp") < cut)
        if len(before) < 400:
            raise DatasetError(f"only {len(before)} clicks before {moment(cut)}: too few to train on; use a later --from")
    console.print(
        f"[bold]{dataset.name}[/]: {len(before):,} clicks before {moment(cut)} UTC to learn from, {len(replayed):,} to replay "
        f"until {moment(int(replayed['timestamp'][-1]))}"
    )
    registry = Registry(settings.models_dir)
    with clock.phase("train"):
        trained = _train(before, dataset.items, registry, settings, config, console)
    with clock.phase("backfill"):
        written = _backfill(before, replayed, dataset.items, registry, settings, console)
    with Fleet(settings.home / "logs", {key: str(value) for key, value in _environment(settings).items()}) as fleet:
        with clock.phase("start"):
            for service in local_services(settings):
                console.print(f"starting {service.name} ...", end=" ")
                fleet.start(service)
                console.print("[green]ready[/]")
        half_life = trained.half_life_hours * 3_600_000
        popularity = RecentPopularity(half_life_ms=half_life)
        knn = LastItemKnn(gap_ms=settings.sessions.gap, half_life_ms=knn_half_life(half_life), fill=popularity)
        for click in to_clicks(before.tail(WARM), dataset.categories):
            popularity.observe(click)
            knn.observe(click)
        visitors = Visitors(
            url=settings.recommend_url,
            api_key=settings.api_key,
            gap=settings.sessions.gap,
            every=max(1, len(replayed) // REQUESTS),
            popularity=popularity,
            knn=knn,
        )
        observer = Observer(settings, visitors.on_recommendation)
        observer.start()
        timeline: list[Moment] = []
        try:
            with (
                ClicksTopic(settings) as topic,
                lag_guard(settings, [settings.group]) as guard,
                clock.phase("replay"),
                Display(console) as display,
            ):
                replay = Replay(
                    replayed,
                    topic,
                    ReplayConfig(speed=config.speed),
                    sessions=settings.sessions,
                    categories=dataset.categories,
                    guard=guard,
                    before_click=visitors.before_click,
                )
                for progress in replay.run():
                    fleet.check()
                    observer.check()
                    now = _moment_of(progress, observer.seen, visitors, settings)
                    timeline.append(now)
                    display.show(now)
            with clock.phase("drain"):
                console.print("replayed; waiting for the last sessions ...")
                _drain(replay.expected, observer, settings, fleet)
        finally:
            observer.stop()
            visitors.close()
        with clock.phase("check"):
            sessions = check_sessions(observer.seen.sessions, replay.expected, settings.sessions)
            readable = check_profiles(settings, observer.seen.sessions)
    outcome = build_report(
        dataset=dataset.name,
        before=len(before),
        replayed=replayed,
        trained=trained,
        profiles_written=written,
        timeline=timeline,
        seen=observer.seen,
        sessions=sessions,
        profiles=readable,
        visitors=visitors,
        phases=clock.phases,
        machine=_machine(),
        begun=begun,
        samples=samples(observer.seen, dataset.items, trained.theme_labels),
    )
    folder = settings.home / "report"
    delays = {
        "POST /v1/recommend": visitors.http_ms,
        "click to session": observer.seen.close_ms,
        "click to profile": observer.seen.embedding_ms,
        "click to recommendation": observer.seen.freshness_ms,
    }
    reporting.write(outcome, [now.row() for now in timeline], delays, folder)
    print_report(outcome, console, folder)
    return bool(outcome["passed"])


def _prepare(outer: Settings) -> Settings:
    """Settings of the demo's own folder, emptied, and of ports that are free."""
    home = (outer.home / "demo").resolve()
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    changes: dict[str, Any] = {
        "home": home,
        "serve_port": free_port(outer.serve_port),
        "worker_port": free_port(outer.worker_port),
    }
    if outer.kafka != "embedded" and not outer.namespace:
        changes["namespace"] = f"demo-{int(time.time())}-"  # a shared cluster keeps what earlier runs sent
    return outer.model_copy(update=changes)


def _environment(settings: Settings) -> dict[str, Any]:
    """The settings as environment variables of the services."""
    return {PREFIX + name.upper(): value for name, value in settings.model_dump().items() if value is not None}


def _train(
    before: pl.DataFrame, items: pl.DataFrame, registry: Registry, settings: Settings, config: DemoConfig, console: Console
) -> TrainReport:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, part: float, words: str) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0, words="")
            bar.update(tasks[stage], completed=part, words=words)

        report = train(
            before,
            items,
            registry,
            sessions=settings.sessions,
            config=TrainConfig(backbone=config.backbone, minutes=config.minutes),
            name=config.dataset,
            on_progress=show,
        )
    others = ", ".join(f"{who} {m['hit_rate_at_10'].mean:.3f}" for who, m in report.baselines.items())
    console.print(
        f"trained {report.version} in {report.seconds:.0f} s: validation hit-rate@10 {report.mos_hit_rate:.3f} ({others}); "
        f"{len(report.theme_labels) - 1} themes"
    )
    return report


def _backfill(
    before: pl.DataFrame, replayed: pl.DataFrame, items: pl.DataFrame, registry: Registry, settings: Settings, console: Console
) -> int:
    """Write the past profiles of the users who will come back; in service everybody's would be there."""
    from features.store import OnlineStore  # noqa: PLC0415 - slow to import
    from mos_online.themes import Router  # noqa: PLC0415

    folder = registry.current()
    router = Router.load(folder)
    sizes = RingSizes(**{k: v for k, v in _ring_sizes(folder).items()})
    past = select_events(before, users=replayed["user_id"].unique().to_list())
    store = OnlineStore.open(settings)
    made = list(profiles(past_sessions(past, items, settings.sessions), router, sizes))
    store.write_profiles(made)
    store.close()
    console.print(f"backfilled the profiles of {len(made):,} users who come back")
    return len(made)


class _Rings(msgspec.Struct):
    recent: int
    theme_ring: int


def _ring_sizes(folder: Path) -> dict[str, int]:
    rings = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Rings)
    return {"recent": rings.recent, "theme": rings.theme_ring}


def _drain(expected: pl.DataFrame, observer: Observer, settings: Settings, fleet: Fleet) -> None:
    from mos_online.sessions import offline_sessions  # noqa: PLC0415

    due = len(offline_sessions(expected, settings.sessions))
    seen = observer.seen

    def moved() -> int:
        fleet.check()
        observer.check()
        return len(seen.sessions) + len(seen.embedded) + len(seen.recommendations)

    wait_until(lambda: moved() >= 3 * due, progress=moved, patience=PATIENCE)


_OPEN = re.compile(r"^mos_open_sessions(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def _open_sessions(settings: Settings) -> int:
    """What the worker says of itself; 0 when it does not answer."""
    try:
        text = httpx.get(f"http://127.0.0.1:{settings.worker_port}/metrics", timeout=0.5).text
    except httpx.HTTPError:
        return 0
    return int(sum(float(value) for value in _OPEN.findall(text)))


def _moment_of(progress: Any, seen: Seen, visitors: Visitors, settings: Settings) -> Moment:
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


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
