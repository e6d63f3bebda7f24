"""The jobs of a walk-forward comparison: one for each dataset and seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.results.store import Store
from evaluation.walk_forward.config import WalkForwardConfig
from evaluation.walk_forward.data import WalkForwardData
from evaluation.walk_forward.runs import run_seed
from mos_cli.evaluate.jobs import Job
from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from simulator.datasets import load


def walk_forward_jobs(names: Sequence[str], seeds: int, store: Store, settings: Settings) -> list[Job]:
    """One job for each dataset and seed; runs that the store holds are not done again."""
    shared = (store.root, settings.data_dir, settings.sessions)
    return [
        Job(name=f"{name}, seed {seed}", work=_do, arguments=(name, seed, *shared))
        for name in names
        for seed in range(seeds)
    ]


def _do(name: str, seed: int, root: Path, data_dir: Path | None, sessions: SessionConfig) -> None:
    read = load(name, data_dir, event_types=sessions.event_types)
    if not read.has_clock:
        raise DatasetError(f"{name} has no time of day: hours mean nothing there; use --plan full")
    rules = read.session_rules(sessions)
    data = WalkForwardData(read.clicks, read.items, sessions=rules, config=WalkForwardConfig(), name=name)
    run_seed(data, seed, Store(root))
