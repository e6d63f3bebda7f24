"""Work in several processes, with a progress bar; one failure does not stop the others."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console

from mos_cli.progress import progress_bar
from mos_online.errors import MosError


@dataclass(frozen=True, kw_only=True)
class Job:
    """A piece of work for one process.

    Attributes:
        name: what is shown, and named if it fails.
        work: a function of a module, called with the arguments.
        arguments: things that can be pickled.
        runs: how far the bar moves when it is done.
    """

    name: str
    work: Callable[..., None]
    arguments: tuple[Any, ...]
    runs: int = 1


def do(jobs: Sequence[Job], *, processes: int, console: Console) -> None:
    """Do all jobs, each process with one thread. The processes end with this one, however it ends.

    Raises:
        MosError: some jobs failed, after all others were done.
    """
    context = multiprocessing.get_context("spawn")
    failed: list[str] = []
    with (
        ProcessPoolExecutor(processes, mp_context=context, initializer=_begin) as pool,
        progress_bar(console) as bar,
    ):
        shown = bar.add_task("runs", total=sum(job.runs for job in jobs))
        running = {pool.submit(job.work, *job.arguments): job for job in jobs}
        try:
            for finished in as_completed(running):
                job = running[finished]
                try:
                    finished.result()
                except MosError as error:
                    failed.append(f"{job.name}: {error}")
                bar.update(shown, advance=job.runs, description=job.name)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if failed:
        raise MosError("; ".join(failed))


def _begin() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # a job would go on for an hour, for nobody
