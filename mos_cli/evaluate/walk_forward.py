"""The jobs of a walk-forward comparison: one for each dataset and seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.results.store import Store
from evaluation.walk_forward.config import WalkForwardConfig
from evaluation.walk_forward.data import WalkForwardData
from evaluation.walk_forward.runs import run_seed
from mos_cli.evaluate.jobs import Job
from mos_cli.evaluate.logs import Logs
from mos_online.errors import DatasetError


def walk_forward_jobs(names: Sequence[str], seeds: int, store: Store, logs: Logs) -> list[Job]:
    """One job for each dataset and seed; runs that the store holds are not done again."""
    shared = (store.root, logs)
    return [
        Job(name=f"{name}, seed {seed}", work=_do, arguments=(name, seed, *shared))
        for name in names
        for seed in range(seeds)
    ]


def _do(name: str, seed: int, root: Path, logs: Logs) -> None:
    read, rules = logs.read(name)
    if not read.has_clock:
        raise DatasetError(f"{name} has no time of day: hours mean nothing there; use --plan full")
    data = WalkForwardData(read.clicks, read.items, sessions=rules, config=WalkForwardConfig(), name=name)
    run_seed(data, seed, Store(root))
