"""The jobs of a static comparison: one for each dataset, backbone and model of a plan."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from evaluation.candidates.sizes import Sizes
from evaluation.protocol.data import ExperimentConfig, ExperimentData
from evaluation.protocol.split import SplitConfig
from evaluation.results.store import Store
from evaluation.static.describe import describe
from evaluation.static.plan import Plan, Task
from evaluation.static.runs import run_task
from mos_cli.evaluate.jobs import Job
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from simulator.datasets import load


def static_jobs(plan: Plan, store: Store, settings: Settings) -> list[Job]:
    """One job for each task of the plan; runs that the store holds are not done again."""
    shared = (plan, store.root, settings.data_dir, settings.sessions)
    return [
        Job(name=f"{task.dataset} {task.backbone} {task.model}", work=_do, arguments=(task, *shared), runs=task.seeds)
        for task in plan.tasks
    ]


def _do(task: Task, plan: Plan, root: Path, data_dir: Path | None, sessions: SessionConfig) -> None:
    store = Store(root)
    data = _data(task.dataset, data_dir, sessions, plan.split)
    describe(data, store)
    run_task(task, data, store, config=plan.fit, sizes=Sizes())


@lru_cache(maxsize=1)
def _data(name: str, data_dir: Path | None, sessions: SessionConfig, split: SplitConfig) -> ExperimentData:
    read = load(name, data_dir, event_types=sessions.event_types)
    rules = read.session_rules(sessions)
    return ExperimentData(read.clicks, read.items, sessions=rules, config=ExperimentConfig(split=split), name=name)
