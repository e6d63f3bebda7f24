"""Running a plan of comparisons in several processes, with a progress bar; what is done is not done again."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path

import torch
from rich.console import Console

from evaluation.protocol.candidates import Sizes
from evaluation.protocol.data import Trial, TrialConfig
from evaluation.protocol.plan import Plan, Task
from evaluation.protocol.runner import describe, run_cells
from evaluation.protocol.split import SplitConfig
from evaluation.protocol.store import Store
from mos_cli.progress import progress_bar
from mos_online.errors import MosError
from mos_online.sessions import SessionConfig
from simulator.datasets import load


def run_plan(
    plan: Plan, store: Store, *, data_dir: Path | None, sessions: SessionConfig, jobs: int, console: Console
) -> None:
    """Do all tasks; one thread per process.

    Raises:
        MosError: some tasks failed, after all others were done.
    """
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(jobs, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        progress_bar(console) as bar,
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
    data = load(name, data_dir)
    rules = data.session_rules(sessions)
    return Trial(data.clicks, data.items, sessions=rules, config=TrialConfig(split=split), name=name)
