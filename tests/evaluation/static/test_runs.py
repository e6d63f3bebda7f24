"""Runs on disk: what is there is kept, what is not is fitted, and the rate is chosen once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.hopping.verdict import MISSING, PRESENT, UNCLEAR
from evaluation.protocol.data import ExperimentData
from evaluation.protocol.fitting import FitConfig
from evaluation.protocol.scores import Run, Scores
from evaluation.results.provenance import data_hash
from evaluation.results.store import RunKey, Store
from evaluation.static import runs as static
from evaluation.static.describe import describe
from evaluation.static.plan import OURS, PLANS, SERVED, Task
from mos_online.errors import ModelError

BUDGET = FitConfig(rates=(0.1, 0.2, 0.3), tuning=2)
TASK = Task(dataset="small", backbone="gru4rec", model="mos", seeds=4)
QUALITY = {(0, 0.1): 0.9, (1, 0.1): 0.1, (0, 0.2): 0.6, (1, 0.2): 0.7, (0, 0.3): 0.5, (1, 0.3): 0.5}
"""Seed 0 alone would choose 0.1, both together choose 0.2."""


class Fits:
    """Stands in for fitting and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []

    def __call__(self, key: RunKey, data: ExperimentData, config: FitConfig, rate: float, sizes: Sizes) -> static.Runs:
        self.asked.append((key.seed, rate))
        rows = np.full((5, 3), key.seed + rate, np.float32)
        run = Run(
            scores=Scores(logits=rows, themed=rows, ranks=np.arange(5, dtype=np.int32)),
            validation=QUALITY.get((key.seed, rate), 0.5),
            rate=rate,
            alike=False,
            passes=1,
            seconds=1.0,
            seconds_scoring=1.0,
            parameters=10,
        )
        return {key.model: run}


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    made = Fits()
    monkeypatch.setattr(static, "run_once", made)
    return made


def test_the_first_seeds_choose_the_rate_for_all(experiment: ExperimentData, tmp_path: Path, fits: Fits) -> None:
    store = Store(tmp_path)
    records = static.run_task(TASK, experiment, store, config=BUDGET, sizes=Sizes())
    assert sorted(fits.asked) == [(0, 0.1), (0, 0.2), (0, 0.3), (1, 0.1), (1, 0.2), (1, 0.3), (2, 0.2), (3, 0.2)]
    assert [record.rate for record in records] == [0.2] * 4
    assert [record.key.seed for record in records] == [0, 1, 2, 3]
    assert store.records() == records
    for record in records:
        assert store.scores(record.key).logits[0, 0] == pytest.approx(record.key.seed + 0.2)
        assert record.commit
        assert set(record.versions) == {"torch", "numpy", "scipy", "polars"}


def test_an_interrupted_run_goes_on(experiment: ExperimentData, tmp_path: Path, fits: Fits) -> None:
    store = Store(tmp_path)
    before = static.run_task(TASK, experiment, store, config=BUDGET, sizes=Sizes())
    (tmp_path / before[1].key.path / "record.json").unlink()
    fits.asked.clear()
    assert static.run_task(TASK, experiment, store, config=BUDGET, sizes=Sizes()) == before
    assert fits.asked == [(1, 0.2)]
    fits.asked.clear()
    assert static.run_task(TASK, experiment, store, config=BUDGET, sizes=Sizes()) == before
    assert not fits.asked


@pytest.mark.parametrize("change", ["budget", "sizes"])
def test_another_protocol_begins_anew(experiment: ExperimentData, tmp_path: Path, fits: Fits, change: str) -> None:
    store = Store(tmp_path)
    before = static.run_task(TASK, experiment, store, config=BUDGET, sizes=Sizes())
    budget = replace(BUDGET, epochs=1) if change == "budget" else BUDGET
    sizes = Sizes(width=8) if change == "sizes" else Sizes()
    fits.asked.clear()
    after = static.run_task(TASK, experiment, store, config=budget, sizes=sizes)
    assert len(fits.asked) == 8
    assert {one.protocol for one in before}.isdisjoint(one.protocol for one in after)


def test_data_and_its_facts_are_written_down(experiment: ExperimentData, tmp_path: Path) -> None:
    store = Store(tmp_path)
    describe(experiment, store, ["now"])
    about, facts = store.about("small"), store.facts("small")
    assert about["data"] == data_hash(experiment.log.events)
    assert about["hopping"] in (PRESENT, UNCLEAR, MISSING, "too short to say")
    assert len(facts["user"]) == about["test"] == len(experiment.split.test)
    assert about["borders_ms"] == list(experiment.split.borders)


def test_runs_on_an_older_state_of_a_log_are_not_read(experiment: ExperimentData, tmp_path: Path, fits: Fits) -> None:
    """Facts about the test positions and runs of them belong together."""
    store = Store(tmp_path)
    static.run_task(TASK, experiment, store, config=BUDGET, sizes=Sizes())
    current = static.protocols(experiment, BUDGET, Sizes())
    describe(experiment, store, current)
    assert len(store.records()) == TASK.seeds
    begun = (tmp_path / "small" / "about.json").stat().st_mtime_ns
    describe(experiment, store, current)
    assert (tmp_path / "small" / "about.json").stat().st_mtime_ns == begun, "facts are measured once"
    describe(experiment, store, ["of a log that has grown"])
    assert store.records() == []


def test_what_counts_and_what_is_mixed_in_can_change_without_the_fits(experiment: ExperimentData) -> None:
    made = {
        model: static.protocol(experiment, BUDGET, Sizes(), model) for model in (OURS, SERVED, "popularity", "wide")
    }
    assert made[OURS] == made["wide"]
    assert made[OURS] not in {made[SERVED], made["popularity"]}
    assert set(made.values()) == set(static.protocols(experiment, BUDGET, Sizes()))


def test_an_unknown_model_is_named(experiment: ExperimentData, tmp_path: Path) -> None:
    task = Task(dataset="small", backbone="gru4rec", model="oracle", seeds=1)
    with pytest.raises(ModelError, match=r"unknown model 'oracle'; there are: backbone, .*vmis-knn"):
        static.run_task(task, experiment, Store(tmp_path), config=BUDGET, sizes=Sizes())


def test_a_run_is_the_same_again(experiment: ExperimentData, tmp_path: Path) -> None:
    """Not only stored: fitted twice from the same seed it scores the same."""
    task = Task(dataset="small", backbone="gru4rec", model="mos-own", seeds=1)
    budget = FitConfig(epochs=1, rates=(1e-2,))
    sizes = Sizes(width=16, recent=12, short=4, theme_ring=6)
    one, other = Store(tmp_path / "a"), Store(tmp_path / "b")
    for store in (one, other):
        static.run_task(task, experiment, store, config=budget, sizes=sizes)
    key = one.records()[0].key
    np.testing.assert_allclose(one.scores(key).logits, other.scores(key).logits, rtol=1e-3, atol=1e-4)


def test_what_is_served_is_the_same_fit_with_more_mixed_in(experiment: ExperimentData, tmp_path: Path) -> None:
    """One fit is scored twice: alone as if it had been asked for alone, and as it is served."""
    budget, sizes = FitConfig(epochs=1, rates=(1e-2,)), Sizes(width=16, recent=12, short=4, theme_ring=6)

    def scored(model: str) -> Store:
        store = Store(tmp_path / model)
        task = Task(dataset="small", backbone="pooling", model=model, seeds=1)
        static.run_task(task, experiment, store, config=budget, sizes=sizes)
        return store

    alone, both = scored(OURS), scored(SERVED)
    assert [record.key.model for record in alone.records()] == [OURS]
    assert [record.key.model for record in both.records()] == [OURS, SERVED]
    before = alone.records()
    task = Task(dataset="small", backbone="pooling", model=SERVED, seeds=1)
    static.run_task(task, experiment, alone, config=budget, sizes=sizes)
    assert alone.records()[:1] == before, "what is there is kept"
    assert len(alone.records()) == 2
    served, own = (RunKey("small", "pooling", model, 0) for model in (SERVED, OURS))
    np.testing.assert_allclose(both.scores(own).logits, alone.scores(own).logits, rtol=1e-3, atol=1e-4)
    assert (both.scores(own).ranks != both.scores(served).ranks).mean() > 0.05


def test_plans_name_what_there_is() -> None:
    for plan in (make() for make in PLANS.values()):
        for task in plan.tasks:
            assert task.model in {*CANDIDATE_MODELS, *COUNTING_MODELS}
            assert (task.backbone == "counting") == (task.model in COUNTING_MODELS)
        keys = [(task.dataset, task.backbone, task.model) for task in plan.tasks]
        assert len(set(keys)) == len(keys)
        assert plan.runs == sum(task.seeds for task in plan.tasks)
