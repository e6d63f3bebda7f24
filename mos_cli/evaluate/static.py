"""Running a plan of comparisons in several processes, with a progress bar; what is done is not done again."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from evaluation.protocol.candidates import Sizes
from evaluation.protocol.data import Trial, TrialConfig
from evaluation.protocol.plan import Plan, Task
from evaluation.protocol.runner import describe, run_cells
from evaluation.protocol.split import SplitConfig
from evaluation.protocol.store import Store
from mos_online.errors import DatasetError, MosError
from mos_online.sessions import SessionConfig
from simulator.dataset import Dataset
from simulator.datasets import load
from simulator.population import SyntheticConfig, synthesize

HALF_DAY = 12 * 3_600_000
"""Gap (ms) for logs whose times are whole days: a session is a day."""


def dataset(name: str, data_dir: Path | None) -> Dataset:
    """A log by name: a folder of the data directory, or ``synthetic`` with settings: ``synthetic:hop=0.8,noise=0.3``.

    Raises:
        DatasetError: no such dataset, or no such setting of the population.
    """
    kind, _, settings = name.partition(":")
    if kind != "synthetic" or not settings:
        return load(name, data_dir)
    types = {field.name: float if field.type == "float" else int for field in fields(SyntheticConfig)}
    values = {}
    for part in settings.split(","):
        key, _, value = part.partition("=")
        try:
            values[key] = types[key](value)
        except (KeyError, ValueError):
            raise DatasetError(
                f"{part!r} is no setting of the population: write one of {', '.join(types)} as name=number"
            ) from None
    return synthesize(SyntheticConfig(**values))  # type: ignore[arg-type]


def run_plan(
    plan: Plan, store: Store, *, data_dir: Path | None, sessions: SessionConfig, jobs: int, console: Console
) -> None:
    """Do all tasks; one thread per process.

    Raises:
        MosError: some tasks failed, after all others were done.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(jobs, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        Progress(*columns, console=console) as bar,
    ):
        failed: list[str] = []
        shown = bar.add_task("cells", total=plan.cells)
        running = {pool.submit(_run, task, plan, store.root, data_dir, sessions): task for task in plan.tasks}
        try:
            for finished in as_completed(running):
                task = running[finished]
                try:
                    finished.result()
                except MosError as error:
                    failed.append(f"{task.dataset} {task.backbone} {task.contestant}: {error}")
                bar.update(shown, advance=task.seeds, description=f"{task.dataset} {task.backbone} {task.contestant}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if failed:
        raise MosError("; ".join(failed))


def _run(task: Task, plan: Plan, root: Path, data_dir: Path | None, sessions: SessionConfig) -> None:
    store = Store(root)
    trial = _trial(task.dataset, data_dir, sessions, plan.split)
    describe(trial, store)
    run_cells(task, trial, store, config=plan.fit, sizes=Sizes())


@lru_cache(maxsize=1)
def _trial(name: str, data_dir: Path | None, sessions: SessionConfig, split: SplitConfig) -> Trial:
    data = dataset(name, data_dir)
    if not data.has_clock:
        sessions = SessionConfig(gap=HALF_DAY)
    return Trial(data.clicks, data.items, sessions=sessions, config=TrialConfig(split=split), name=name)
