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
from evaluation.static.runs import protocols, run_task
from mos_cli.evaluate.jobs import Job
from mos_cli.evaluate.logs import Logs


def static_jobs(plan: Plan, store: Store, logs: Logs) -> list[Job]:
    """One job for each task of the plan; runs that the store holds are not done again."""
    shared = (plan, store.root, logs)
    return [
        Job(name=f"{task.dataset} {task.backbone} {task.model}", work=_do, arguments=(task, *shared), runs=task.seeds)
        for task in plan.tasks
    ]


def _do(task: Task, plan: Plan, root: Path, logs: Logs) -> None:
    store = Store(root)
    data = _data(task.dataset, logs, plan.split)
    describe(data, store, protocols(data, plan.fit, Sizes()))
    run_task(task, data, store, config=plan.fit, sizes=Sizes())


@lru_cache(maxsize=1)
def _data(name: str, logs: Logs, split: SplitConfig) -> ExperimentData:
    read, rules = logs.read(name)
    return ExperimentData(read.clicks, read.items, sessions=rules, config=ExperimentConfig(split=split), name=name)
