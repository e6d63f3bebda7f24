"""Cells on disk: what is there is kept, what is not is fitted, and the rate is chosen once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.protocol import runner as run
from evaluation.protocol.candidates import Sizes
from evaluation.protocol.data import Trial
from evaluation.protocol.plan import PLANS, Task
from evaluation.protocol.run import Cell, FitConfig, Scores
from evaluation.protocol.store import Key, Store
from mos_online.errors import ModelError

BUDGET = FitConfig(rates=(0.1, 0.2, 0.3), tuning=2)
TASK = Task(dataset="small", backbone="gru4rec", contestant="mos", seeds=4)
QUALITY = {(0, 0.1): 0.9, (1, 0.1): 0.1, (0, 0.2): 0.6, (1, 0.2): 0.7, (0, 0.3): 0.5, (1, 0.3): 0.5}
"""Seed 0 alone would choose 0.1, both together choose 0.2."""


class Fits:
    """Stands in for fitting and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []

    def __call__(self, key: Key, trial: Trial, config: FitConfig, rate: float, sizes: Sizes) -> Cell:
        self.asked.append((key.seed, rate))
        rows = np.full((5, 3), key.seed + rate, np.float32)
        return Cell(
            scores=Scores(logits=rows, themed=rows, ranks=np.arange(5, dtype=np.int32)),
            validation=QUALITY.get((key.seed, rate), 0.5),
            rate=rate,
            passes=1,
            seconds=1.0,
            seconds_scoring=1.0,
            parameters=10,
        )


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    made = Fits()
    monkeypatch.setattr(run, "_cell", made)
    return made


def test_the_first_seeds_choose_the_rate_for_all(trial: Trial, tmp_path: Path, fits: Fits) -> None:
    store = Store(tmp_path)
    records = run.run_cells(TASK, trial, store, config=BUDGET, sizes=Sizes())
    assert sorted(fits.asked) == [(0, 0.1), (0, 0.2), (0, 0.3), (1, 0.1), (1, 0.2), (1, 0.3), (2, 0.2), (3, 0.2)]
    assert [record.rate for record in records] == [0.2] * 4
    assert [record.key.seed for record in records] == [0, 1, 2, 3]
    assert store.records() == records
    for record in records:
        assert store.scores(record.key).logits[0, 0] == pytest.approx(record.key.seed + 0.2)
        assert record.commit
        assert set(record.versions) == {"torch", "numpy", "scipy", "polars"}


def test_an_interrupted_run_goes_on(trial: Trial, tmp_path: Path, fits: Fits) -> None:
    store = Store(tmp_path)
    before = run.run_cells(TASK, trial, store, config=BUDGET, sizes=Sizes())
    (tmp_path / before[1].key.path / "record.json").unlink()
    fits.asked.clear()
    assert run.run_cells(TASK, trial, store, config=BUDGET, sizes=Sizes()) == before
    assert fits.asked == [(1, 0.2)]
    fits.asked.clear()
    assert run.run_cells(TASK, trial, store, config=BUDGET, sizes=Sizes()) == before
    assert not fits.asked


@pytest.mark.parametrize("change", ["budget", "sizes"])
def test_another_protocol_begins_anew(trial: Trial, tmp_path: Path, fits: Fits, change: str) -> None:
    store = Store(tmp_path)
    before = run.run_cells(TASK, trial, store, config=BUDGET, sizes=Sizes())
    budget = replace(BUDGET, epochs=1) if change == "budget" else BUDGET
    sizes = Sizes(width=8) if change == "sizes" else Sizes()
    fits.asked.clear()
    after = run.run_cells(TASK, trial, store, config=budget, sizes=sizes)
    assert len(fits.asked) == 8
    assert {one.protocol for one in before}.isdisjoint(one.protocol for one in after)


def test_data_and_its_facts_are_written_down(trial: Trial, tmp_path: Path) -> None:
    store = Store(tmp_path)
    run.describe(trial, store)
    about, facts = store.about("small"), store.facts("small")
    assert about["data"] == run.data_hash(trial.frame)
    assert about["hopping"] in ("likely", "uncertain", "unlikely", "too short to say")
    assert len(facts["user"]) == about["test"] == len(trial.split.test)
    assert about["borders_ms"] == list(trial.split.borders)


def test_an_unknown_contestant_is_named(trial: Trial, tmp_path: Path) -> None:
    task = Task(dataset="small", backbone="gru4rec", contestant="oracle", seeds=1)
    with pytest.raises(ModelError, match=r"unknown contestant 'oracle'; there are: backbone, .*vmis-knn"):
        run.run_cells(task, trial, Store(tmp_path), config=BUDGET, sizes=Sizes())


def test_a_cell_is_the_same_again(trial: Trial, tmp_path: Path) -> None:
    """Not only stored: fitted twice from the same seed it scores the same."""
    task = Task(dataset="small", backbone="gru4rec", contestant="mos-own", seeds=1)
    budget = FitConfig(epochs=1, rates=(1e-2,))
    sizes = Sizes(width=16, recent=12, short=4, theme_ring=6)
    one, other = Store(tmp_path / "a"), Store(tmp_path / "b")
    for store in (one, other):
        run.run_cells(task, trial, store, config=budget, sizes=sizes)
    key = one.records()[0].key
    np.testing.assert_allclose(one.scores(key).logits, other.scores(key).logits, rtol=1e-3, atol=1e-4)


def test_plans_name_what_there_is() -> None:
    for plan in (make() for make in PLANS.values()):
        for task in plan.tasks:
            assert task.contestant in {*run.CONTESTANTS, *run.COUNTING}
            assert (task.backbone == "counting") == (task.contestant in run.COUNTING)
        keys = [(task.dataset, task.backbone, task.contestant) for task in plan.tasks]
        assert len(set(keys)) == len(keys)
        assert plan.cells == sum(task.seeds for task in plan.tasks)
