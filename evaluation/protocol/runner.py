"""From a contestant's name to a cell on disk."""

from __future__ import annotations

import importlib.metadata
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.hopping.analysis import measure_hopping
from evaluation.hopping.verdict import verdict
from evaluation.protocol.candidates import CONTESTANTS, Sizes
from evaluation.protocol.data import Routing, Trial
from evaluation.protocol.facts import facts
from evaluation.protocol.plan import Task
from evaluation.protocol.run import Cell, FitConfig, fit_cell
from evaluation.protocol.store import Key, Record, Store, digest
from evaluation.rivals.counting import COUNTING, count_cell
from evaluation.routing.routings import ROUTINGS, from_rows
from evaluation.theme_map import theme_map
from mos_online.errors import DatasetError, ModelError
from mos_online.model import SequenceModel

REVISION = 1
"""Of the models and measures: raise it where either changes, and cells of before are fitted anew."""

VERSIONED = ("torch", "numpy", "scipy", "polars")

DRAWN = 1500
"""Items of a theme map, at most."""


def describe(trial: Trial, store: Store) -> None:
    """Write down what is true of the dataset, of its test positions, and whether its users hop before those; once."""
    if store.describes(trial.name, REVISION):
        return
    positions = np.concatenate([part.positions for part in trial.test])
    begin, middle, end = trial.split.borders
    about = {
        "events": len(trial.frame),
        "users": trial.frame["user_id"].n_unique(),
        "items": len(trial.catalogue.items),
        "train": len(trial.split.train),
        "validation": len(trial.split.validation),
        "test": len(positions),
        "borders_ms": [begin, middle, end],
        "half_life_hours": trial.half_life / 3_600_000,
        "themes": trial.router.n_themes,
        "router": trial.router.version,
        "labels": trial.router.labels[1:],
        "hopping": _hopping(trial),
        "data": data_hash(trial.frame),
        "revision": REVISION,
    }
    store.write_facts(trial.name, about, facts(trial, positions))
    store.write_map(trial.name, _map(trial))


def _map(trial: Trial) -> dict[str, NDArray[np.generic]]:
    """Places of the items most clicked before the first cut that have a row of their own, and of the themes."""
    clicked = trial.past(0)["item_id"].value_counts(sort=True)["item_id"].to_list()
    names = [item for item in clicked if trial.router.has_row(item)][:DRAWN]
    items, themes = theme_map(trial.router.vectors(names, [None] * len(names)), trial.router.prototypes)
    return {"items": items, "themes": themes, "theme": trial.router.item_themes(names, [None] * len(names))}


def _hopping(trial: Trial) -> str:
    """What the hopping measure says of MoS, from the events before validation."""
    try:
        return verdict(measure_hopping(trial.past(1), trial.items, sessions=trial.sessions).figures).word
    except DatasetError:
        return "too short to say"


def data_hash(frame: pl.DataFrame) -> str:
    """Of the events as they were compared."""
    return digest(frame.hash_rows().sum(), len(frame))


def protocol(trial: Trial, config: FitConfig, sizes: Sizes) -> str:
    """Of everything that must be equal for two cells to be comparable."""
    return digest(REVISION, data_hash(trial.frame), trial.config, config, sizes)


def run_cells(task: Task, trial: Trial, store: Store, *, config: FitConfig, sizes: Sizes) -> list[Record]:
    """Fit and score a contestant with all its seeds, but for those that are there.

    The first ``config.tuning`` seeds try every learning rate, and the rate of the best mean on validation counts for
    all of them: chosen by one seed, luck decided between models.

    Raises:
        ModelError: no such contestant or backbone.
    """
    about = protocol(trial, config, sizes)
    keys = [Key(task.dataset, task.backbone, task.contestant, seed) for seed in range(task.seeds)]
    there = [store.record(key, about) for key in keys]
    done = {record.key: record for record in there if record is not None}
    tried: dict[float, list[Cell]] = {}
    if task.contestant in COUNTING:
        tried[0.0] = []
    elif done:
        tried[next(iter(done.values())).rate] = []
    else:
        for rate in config.rates:
            tried[rate] = [_cell(key, trial, config, rate, sizes) for key in keys[: config.tuning]]
    rate = max(tried, key=lambda one: _mean_quality(tried[one]))
    for key, cell in zip(keys, tried[rate], strict=False):
        done[key] = write_cell(store, key, about, cell)
    for key in keys:
        if key not in done:
            done[key] = write_cell(store, key, about, _cell(key, trial, config, rate, sizes))
    return [done[key] for key in keys]


def _mean_quality(cells: list[Cell]) -> float:
    return sum(cell.validation or 0.0 for cell in cells) / max(len(cells), 1)


def write_cell(store: Store, key: Key, about: str, cell: Cell) -> Record:
    """Store a cell; ``about``: digest of its protocol."""
    record = _record(key, about, cell)
    store.write(record, cell.scores)
    return record


def _record(key: Key, about: str, cell: Cell) -> Record:
    return Record(
        key=key,
        protocol=about,
        commit=commit(),
        versions={name: importlib.metadata.version(name) for name in VERSIONED},
        validation=cell.validation,
        rate=cell.rate,
        passes=cell.passes,
        seconds=round(cell.seconds, 2),
        seconds_scoring=round(cell.seconds_scoring, 3),
        parameters=cell.parameters,
    )


def _cell(key: Key, trial: Trial, config: FitConfig, rate: float, sizes: Sizes) -> Cell:
    if key.contestant in COUNTING:
        return count_cell(COUNTING[key.contestant], trial)
    if key.contestant not in CONTESTANTS:
        known = ", ".join([*CONTESTANTS, *COUNTING])
        raise ModelError(f"unknown contestant {key.contestant!r}; there are: {known}")
    contestant = CONTESTANTS[key.contestant]
    if contestant.routing == "own":
        routing = _own(key, trial, config, rate, sizes)
    else:
        routing = ROUTINGS[contestant.routing](trial, key.seed)
    return fit_cell(
        lambda: contestant.make(sizes.config(trial, key.backbone, routing)),
        trial,
        routing,
        config=config,
        rate=rate,
        seed=key.seed,
    )


def _own(key: Key, trial: Trial, config: FitConfig, rate: float, sizes: Sizes) -> Routing:
    """Themes from the item vectors of the backbone after one pass: what the click loss alone finds."""
    baseline = CONTESTANTS["backbone"]
    fitted: list[SequenceModel] = []

    def make() -> SequenceModel:
        fitted.append(baseline.make(sizes.config(trial, key.backbone, trial.routing)))
        return fitted[-1]

    fit_cell(make, trial, trial.routing, config=replace(config, epochs=1), rate=rate, seed=key.seed)
    rows = fitted[-1].get_parameter("item.weight").detach().numpy()
    return from_rows(trial, rows, key.seed)


@cache
def commit() -> str:
    """Of the code, with a mark if it was changed since; "unknown" outside of a repository."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
