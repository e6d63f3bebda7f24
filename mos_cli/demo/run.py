"""The demo, step by step: cut the log, train, backfill, start, replay, count, check, judge, let it learn, report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from mos_cli.backfill.run import backfill_and_show
from mos_cli.demo.experiment import Experiment, count_users, start_experiment
from mos_cli.demo.experiment_report import PAGE
from mos_cli.demo.judge import judged
from mos_cli.demo.learning import compare_learning
from mos_cli.demo.log import DemoLog, cut
from mos_cli.demo.page import render
from mos_cli.demo.phases import Phases
from mos_cli.demo.report import Outcome, build_report
from mos_cli.demo.terminal import print_report
from mos_cli.demo.verify import check_profiles, check_sessions
from mos_cli.demo.watch import Watched, watch_replay
from mos_cli.experiments.report import render as render_experiments
from mos_cli.read_log import read_log
from mos_cli.supervisor import LOCK, Supervisor, environment_of, local_services, services_lock
from mos_cli.train.run import train_and_show
from mos_online.errors import MosError
from mos_online.ports import free_port
from mos_online.processes import held_locks
from mos_online.settings import Settings
from mos_online.training import TrainConfig, TrainReport
from mos_online.users.offline_profiles import of_users
from serving.ray.environment import require_plain_paths
from simulator.datasets import ReadOptions
from simulator.replay import Speed
from streams.kafka.admin import create_topics

PARTS = 8
"""The replay waits until the service has counted what is older than this part of a half-life."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Options of the demo.

    Attributes:
        dataset, format_name, options: see ``simulator.datasets.load``.
        speed, events, start: of the replay, see ``mos replay``.
        backbone, minutes: of the model and its fitting.
    """

    dataset: str
    format_name: str | None
    options: ReadOptions
    speed: Speed
    events: int
    start: str
    backbone: str
    minutes: float


def run_demo(config: DemoConfig, outer: Settings, console: Console) -> bool:
    """Run the demo in ``MOS_HOME/demo`` and leave a report there; whether everything was right.

    Raises:
        MosError: a step could not be done; every started process has been stopped.
    """
    require_plain_paths()  # not after minutes of training
    home = (outer.home / "demo").resolve()
    with services_lock(home):
        _empty(home)
        return _run(config, _prepare(outer, home), console)


def _run(config: DemoConfig, settings: Settings, console: Console) -> bool:
    phases = Phases()
    with phases.measure("load"):
        whole = read_log(config.dataset, config.format_name, config.options, settings=settings, console=console)
        log = cut(whole, start=config.start, count=config.events)
        console.print(str(log))
    with phases.measure("train"):
        trained = train_and_show(
            log.before,
            name=log.name,
            config=TrainConfig(backbone=config.backbone, minutes=config.minutes),
            settings=settings,
            console=console,
        )
    with phases.measure("backfill"):
        # In service everybody's profile would be there; the demo makes those of the users who come back.
        returning = of_users(log.before.clicks, users=log.replayed["user_id"].unique().to_list())
        backfilled = backfill_and_show(log.before, returning, settings=settings, console=console)
    settings = settings.model_copy(update=_ports(settings))  # not before the training: others may take them meanwhile
    watched, experiment = _serve_and_replay(log, config.speed, _spans(trained), settings, phases, console)
    with phases.measure("check"):
        sessions = check_sessions(watched.seen.sessions, watched.expected, settings.sessions)
        profiles = check_profiles(settings, watched.seen.sessions)
    with phases.measure("judge"):
        judge = judged(log, watched.visitors.asked, trained, gap_ms=settings.sessions.gap)
    with phases.measure("learn"), console.status("comparing what learns with what does not ..."):
        learned = compare_learning(log, config.dataset, settings)
    outcome = Outcome(
        log=log,
        trained=trained,
        backfilled=backfilled,
        watched=watched,
        sessions=sessions,
        profiles=profiles,
        quality={kind: judge.result(kind) for kind in judge.kinds},
        learned=learned,
        experiment=experiment,
        phases=phases,
    )
    return _report(outcome, settings.home / "report", console)


def _serve_and_replay(
    log: DemoLog, speed: Speed, spans_ms: Mapping[str, float], settings: Settings, phases: Phases, console: Console
) -> tuple[Watched, Experiment]:
    """Start an experiment and every service, replay into them, and stop them."""
    in_force = start_experiment(log, settings)
    with Supervisor(settings.home / "logs", environment_of(settings)) as supervisor:
        with phases.measure("start"):
            if settings.kafka != "embedded":
                create_topics(settings, replication=-1)  # the cluster's default
            for service in local_services(settings, learn=("--every", "never")):
                console.print(f"starting {service.name} ...", end=" ")
                supervisor.start(service)
                console.print("[green]ready[/]")
        watched = watch_replay(
            log,
            speed=speed,
            spans_ms=spans_ms,
            settings=settings,
            supervisor=supervisor,
            console=console,
            phases=phases,
        )
        with phases.measure("count"), console.status("counting the users of the experiment ..."):
            return watched, count_users(log, settings, supervisor, in_force, watched.visitors)


def _spans(trained: TrainReport) -> dict[str, float]:
    """Kind of counts -> by how much event time (ms) the service may be behind the replay."""
    return {
        "popularity": trained.half_life_hours * 3_600_000 / PARTS,
        "co_clicks": trained.knn_half_life_hours * 3_600_000 / PARTS,
    }


def _report(outcome: Outcome, folder: Path, console: Console) -> bool:
    """Write the report and the pages into the folder, print the short form; whether everything was right."""
    report, watched = build_report(outcome), outcome.watched
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    page = folder / "report.html"
    page.write_text(render(report, [now.row() for now in watched.timeline], watched.delays), encoding="utf-8")
    if outcome.experiment.result is not None:
        (folder / PAGE).write_text(render_experiments([outcome.experiment.result]), encoding="utf-8")
    print_report(report, console, page)
    return bool(report["passed"])


def _empty(home: Path) -> None:
    """Remove what an earlier run has left, but no folder that is in use.

    Raises:
        MosError: a program of ours that was started by itself runs in it.
    """
    others = [path.stem for path in held_locks(home) if path.name != LOCK]
    if others:
        raise MosError(f"{home} is in use ({', '.join(others)} runs there); stop that, or choose another MOS_HOME")
    for path in home.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.suffix != ".lock":
            path.unlink()


def _prepare(outer: Settings, home: Path) -> Settings:
    """Settings of the demo's own folder."""
    changes: dict[str, Any] = {"home": home, "models": None}  # the demo's model is for the demo alone
    if outer.kafka != "embedded" and not outer.namespace:
        changes["namespace"] = f"demo-{int(time.time())}-"  # a shared cluster keeps what earlier runs sent
    return outer.model_copy(update=changes)


def _ports(settings: Settings) -> dict[str, int]:
    """Ports that are free, and that no other program of ours gets before the services listen there."""
    return {name: free_port(getattr(settings, name)) for name in ("serve_port", "worker_port", "learn_port")}
