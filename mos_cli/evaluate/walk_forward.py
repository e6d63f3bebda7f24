"""Running the rolling comparison, a process per seed."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec
import torch
from rich.console import Console

from evaluation.protocol.candidates import Sizes
from evaluation.protocol.run import FitConfig
from evaluation.protocol.runner import REVISION, data_hash, write_cell
from evaluation.protocol.store import Key, Store, digest
from evaluation.rivals.counting import COUNTING, count_cell
from evaluation.walk_forward.data import Rolling, RollingConfig
from evaluation.walk_forward.models import ROLLED, SCHEDULES, roll
from evaluation.walk_forward.new_item_routing import routability
from mos_cli.progress import progress_bar
from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig
from simulator.datasets import load

BUDGET = FitConfig(epochs=5, patience=1, rates=(3e-3,))
"""Of every fit; not tuned, the same for all."""


def run_rolling(
    name: str,
    store: Store,
    *,
    config: RollingConfig,
    seeds: int,
    data_dir: Path | None,
    sessions: SessionConfig,
    jobs: int,
    console: Console,
) -> None:
    """Roll every contestant and schedule over a dataset; seeds that are there are kept.

    Raises:
        DatasetError: the log has no clock, or is too short.
    """
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(jobs, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        progress_bar(console) as bar,
    ):
        shown = bar.add_task(f"seeds of {name}", total=seeds)
        running = [pool.submit(_seed, name, seed, store.root, config, data_dir, sessions) for seed in range(seeds)]
        try:
            for finished in as_completed(running):
                finished.result()
                bar.advance(shown)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _seed(
    name: str, seed: int, root: Path, config: RollingConfig, data_dir: Path | None, sessions: SessionConfig
) -> None:
    data, store = load(name, data_dir), Store(root)
    if not data.has_clock:
        raise DatasetError(f"{name} has no time of day: hours mean nothing there; use --plan full")
    rolling = Rolling(data.clicks, data.items, sessions=sessions, config=config, name=name)
    about = digest(REVISION, data_hash(rolling.frame), config, BUDGET, Sizes())
    keys = [Key(name, "gru4rec", f"{one}@{schedule}", seed) for one in ROLLED for schedule in SCHEDULES]
    if seed == 0:
        _describe(rolling, store)
        for one, make in COUNTING.items():
            key = Key(name, "counting", one, 0)
            if store.record(key, about) is None:
                write_cell(store, key, about, count_cell(make, rolling))
    if all(store.record(key, about) for key in keys):
        return
    cells = roll(rolling, seed, config=BUDGET, sizes=Sizes(), on_progress=lambda step: None)
    for key in keys:
        write_cell(store, key, about, cells[key.contestant])


def _describe(rolling: Rolling, store: Store) -> None:
    about = {
        "events": len(rolling.frame),
        "users": rolling.frame["user_id"].n_unique(),
        "items": len(rolling.catalogue.items),
        "judged": sum(len(part.positions) for part in rolling.test),
        "borders_ms": rolling.borders,
        "half_life_hours": rolling.half_life / 3_600_000,
        "data": data_hash(rolling.frame),
        "config": msgspec.to_builtins(rolling.config),
        "new_items": msgspec.to_builtins(routability(rolling)),
    }
    store.write_facts(rolling.name, about, rolling.facts())
