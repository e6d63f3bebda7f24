"""The demo, step by step: load, train, backfill, start, replay and judge, drain, check, report."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
from rich.console import Console

from mos_cli.backfill.run import backfill_and_show
from mos_cli.demo.report import write
from mos_cli.demo.summary import build_report, print_report, samples
from mos_cli.demo.verify import check_profiles, check_sessions
from mos_cli.demo.watch import watch_replay
from mos_cli.moment import moment
from mos_cli.supervisor import Supervisor, local_services
from mos_cli.train.run import train_and_show
from mos_online.errors import DatasetError
from mos_online.ports import free_port
from mos_online.settings import PREFIX, Settings
from mos_online.training import TrainConfig
from mos_online.users.backfill import of_users
from simulator.dataset import Dataset
from simulator.datasets import load, require_clock
from simulator.speed import Speed
from simulator.window import window
from streams.kafka.admin import create_topics

FEWEST = 400
"""A model is not worth making from fewer clicks."""


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
        dataset, before, replayed = _cut(config, settings, console)
    past = replace(dataset, events=before)
    with clock.phase("train"):
        trained = train_and_show(
            past,
            name=dataset.name,
            config=TrainConfig(backbone=config.backbone, minutes=config.minutes),
            settings=settings,
            console=console,
        )
    with clock.phase("backfill"):
        # In service everybody's profile would be there; the demo makes those of the users who come back.
        returning = of_users(before, users=replayed["user_id"].unique().to_list())
        written = backfill_and_show(past, returning, settings=settings, console=console)
    with Supervisor(settings.home / "logs", _environment(settings)) as supervisor:
        with clock.phase("start"):
            if settings.kafka != "embedded":
                create_topics(settings, replication=-1)  # the cluster's default
            for service in local_services(settings):
                console.print(f"starting {service.name} ...", end=" ")
                supervisor.start(service)
                console.print("[green]ready[/]")
        watched = watch_replay(
            before=before,
            replayed=replayed,
            categories=dataset.categories,
            half_life_ms=trained.half_life_hours * 3_600_000,
            speed=config.speed,
            settings=settings,
            supervisor=supervisor,
            console=console,
            phase=clock.phase,
        )
    with clock.phase("check"):
        sessions = check_sessions(watched.seen.sessions, watched.expected, settings.sessions)
        readable = check_profiles(settings, watched.seen.sessions)
    report = build_report(
        dataset=dataset.name,
        before=len(before),
        replayed=replayed,
        trained=trained,
        profiles_written=written,
        watched=watched,
        sessions=sessions,
        profiles=readable,
        phases=clock.phases,
        machine=_machine(),
        begun=begun,
        samples=samples(watched.seen, dataset.items, trained.theme_labels),
    )
    folder = settings.home / "report"
    write(report, [now.row() for now in watched.timeline], watched.delays, folder)
    print_report(report, console, folder)
    return bool(report["passed"])


def _cut(config: DemoConfig, settings: Settings, console: Console) -> tuple[Dataset, pl.DataFrame, pl.DataFrame]:
    """The dataset, its clicks before the replay, and the clicks to replay."""
    dataset = load(config.dataset, settings.data_dir)
    require_clock(dataset, settings.data_dir)
    replayed = window(dataset.clicks, start=config.start, count=config.events)
    cut = int(replayed["timestamp"][0])
    before = dataset.clicks.filter(pl.col("timestamp") < cut)
    if len(before) < FEWEST:
        raise DatasetError(
            f"{len(before)} clicks before {moment(cut)} are too few to train on, {FEWEST} are needed: start later"
        )
    console.print(
        f"[bold]{dataset.name}[/]: {len(before):,} clicks before {moment(cut)} UTC to learn from, "
        f"{len(replayed):,} to replay until {moment(int(replayed['timestamp'][-1]))}"
    )
    return dataset, before, replayed


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


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables of the services."""
    return {PREFIX + name.upper(): str(value) for name, value in settings.model_dump().items() if value is not None}


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
