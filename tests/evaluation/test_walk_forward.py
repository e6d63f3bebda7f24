"""Time goes on in steps, and nothing of a step is known before it is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from evaluation.candidates.counting import COUNTING_MODELS, count_run
from evaluation.candidates.sizes import Sizes
from evaluation.protocol.fitting import FitConfig, learn_what_is_mixed_in
from evaluation.protocol.requests import RequestBatch
from evaluation.walk_forward import schedules
from evaluation.walk_forward.config import HOUR, WalkForwardConfig
from evaluation.walk_forward.data import WalkForwardData
from evaluation.walk_forward.knowledge import updated
from evaluation.walk_forward.new_item_routing import routability
from evaluation.walk_forward.schedules import COMPARED, SCHEDULES, walk_forward
from mos_online.errors import DatasetError
from mos_online.model import SequenceModel
from mos_online.sessions import SessionConfig
from mos_online.training.sequence_log import SequenceLog
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize

CONFIG = WalkForwardConfig(
    start=0.5, hours=12, steps=4, anew=2, judged=80, history=2, examples=800, newest=150, themes=4, moment=64
)
BUDGET = FitConfig(epochs=1, patience=1, rates=(1e-2,))
SIZES = Sizes(width=16, recent=12, short=4, theme_ring=6)


@pytest.fixture(scope="module")
def growing() -> Dataset:
    """Half of the items are new on the middle day: an item of the second half of a ring is renamed until then."""
    made = synthesize(SyntheticConfig(users=200, themes=4, items_per_theme=20, hop=0.6, days=8))
    begin = int(np.quantile(made.events["timestamp"].to_numpy(), CONFIG.start))
    young = made.items["item_id"].to_list()[::2]
    older = dict(zip(young, made.items["item_id"].to_list()[1::2], strict=True))
    early = pl.col("timestamp") < begin
    item = pl.when(early).then(pl.col("item_id").replace(older)).otherwise(pl.col("item_id"))
    return replace(made, events=made.events.with_columns(item_id=item))


def made(data: Dataset, config: WalkForwardConfig = CONFIG) -> WalkForwardData:
    return WalkForwardData(data.clicks, data.items, sessions=SessionConfig(), config=config, name="growing")


@pytest.fixture(scope="module")
def experiment(growing: Dataset) -> WalkForwardData:
    return made(growing)


def test_every_step_judges_its_own_hours(experiment: WalkForwardData) -> None:
    times = experiment.log.events["timestamp"].to_numpy()
    assert len(experiment.judged) == CONFIG.steps
    assert np.diff(experiment.borders).tolist() == [12 * HOUR] * CONFIG.steps
    for step, batches in enumerate(experiment.judged):
        assert batches
        at = np.concatenate([requests.positions for requests in batches])
        assert (times[at] >= experiment.borders[step]).all()
        assert (times[at] < experiment.borders[step + 1]).all()
        assert len(at) <= CONFIG.judged
    facts = experiment.facts()
    assert facts["step"].tolist() == sorted(facts["step"].tolist())
    assert 0.2 < facts["new"].mean() < 0.8


def test_what_is_learned_is_older_than_its_step(experiment: WalkForwardData) -> None:
    times = experiment.log.events["timestamp"].to_numpy()
    for step in (0, 2):
        train, validation = experiment.training(step)
        last = [max(times[requests.positions].max() for requests in batches) for batches in (train, validation)]
        assert last[0] <= last[1] < experiment.borders[step]
        assert experiment.past(0)["timestamp"].max() < times[train[0].positions].min() or step
    for step in (1, 2, 3):
        for requests in experiment.update(step):
            assert experiment.borders[step - 1] <= times[requests.positions].min()
            assert times[requests.positions].max() < experiment.borders[step]
    assert experiment.known(1).sum() > experiment.known(0).sum()


def test_a_step_is_blind_for_what_follows_it(growing: Dataset, experiment: WalkForwardData) -> None:
    """Items after the second step are dealt out anew: what is known and judged until then stays."""
    border = experiment.borders[2]
    late = pl.col("timestamp") >= border
    events = growing.events.with_columns(
        item_id=pl.when(late).then(pl.col("item_id").reverse()).otherwise(pl.col("item_id"))
    )
    other = made(replace(growing, events=events))
    assert other.routers[0].version == experiment.routers[0].version
    assert other.routers[2].version == experiment.routers[2].version
    names = [experiment.catalogue.items[row - 1] for requests in experiment.judged[1] for row in requests.targets]
    assert names == [other.catalogue.items[row - 1] for requests in other.judged[1] for row in requests.targets]
    for one, twin in zip(updated(experiment), updated(other), strict=True):
        seen = [item for item, known in zip(experiment.catalogue.items, one.known[1:], strict=True) if known]
        rows = {item: row for row, item in enumerate(other.catalogue.items, 1)}
        theirs = twin.routing.table[[rows[item] for item in seen]]
        ours = one.routing.table[1:][one.known[1:] > 0]
        torch.testing.assert_close(ours, theirs)
        if float(one.known.sum()) == float(experiment.known(2).sum()):
            break


def test_new_items_get_rows_and_old_ones_keep_theirs(experiment: WalkForwardData) -> None:
    views = list(updated(experiment))
    first, last = views[0], views[-1]
    old = experiment.known(0)[1:] > 0
    assert torch.equal(first.routing.table[1:][old], last.routing.table[1:][old])
    assert np.array_equal(first.routing.item_theme[1:][old], last.routing.item_theme[1:][old])
    new = {name for name, _ in experiment.new_items()}
    at = [row for row, item in enumerate(experiment.catalogue.items, 1) if item in new]
    assert (first.routing.table[at] != last.routing.table[at]).any(1).float().mean() > 0.9
    assert [view.known.sum() for view in views] == sorted(view.known.sum() for view in views)


def test_schedules_differ_as_they_say(experiment: WalkForwardData) -> None:
    runs = walk_forward(experiment, 0, config=BUDGET, sizes=SIZES, on_progress=lambda step: None)
    assert set(runs) == {f"{name}@{schedule}" for name in COMPARED for schedule in SCHEDULES}
    counts = [sum(len(requests.positions) for requests in batches) for batches in experiment.judged]
    cuts = np.cumsum(counts)
    for name in COMPARED:
        frozen, renewed, retrained = (runs[f"{name}@{schedule}"].scores.logits for schedule in SCHEDULES)
        assert len(frozen) == cuts[-1]
        np.testing.assert_array_equal(frozen[: cuts[0]], renewed[: cuts[0]])
        np.testing.assert_array_equal(frozen[: cuts[1]], retrained[: cuts[1]])
        assert not np.array_equal(frozen[cuts[0] : cuts[1]], renewed[cuts[0] : cuts[1]])
        assert not np.array_equal(frozen[cuts[1] :], retrained[cuts[1] :])
        ranks = runs[f"{name}@frozen"].scores.ranks
        assert (ranks >= 1).mean() > 0.9, "only items that nobody had clicked before have no rank"
    for schedule in SCHEDULES:
        alone, served = (runs[f"{name}@{schedule}"].scores.ranks for name in ("mos", "mos-served"))
        assert (alone != served).mean() > 0.05, "neighbours and popularity change the order"


def test_an_update_learns_what_is_mixed_in(experiment: WalkForwardData, monkeypatch: pytest.MonkeyPatch) -> None:
    """On what was judged in the step before, by the model as it was then: it has not learned these clicks."""
    learned = []

    def learn(model: SequenceModel, requests: list[RequestBatch], sequences: SequenceLog) -> None:
        learned.append((np.concatenate([one.positions for one in requests]), model.item_known.sum().item()))
        learn_what_is_mixed_in(model, requests, sequences)

    monkeypatch.setattr(schedules, "learn_what_is_mixed_in", learn)
    walk_forward(experiment, 0, config=BUDGET, sizes=SIZES, on_progress=lambda step: None)
    judged = [np.concatenate([one.positions for one in batches]).tolist() for batches in experiment.judged]
    updates = [one for one in learned if one[0].tolist() in judged]
    assert [one[0].tolist() for one in updates] == judged[:-1]
    assert [known for _, known in updates] == [experiment.known(step).sum().item() for step in range(CONFIG.steps - 1)]


def test_neighbours_of_a_step_are_counted_up_to_each_request(experiment: WalkForwardData) -> None:
    for alone, beside in zip(experiment.judged, experiment.judged_beside_neighbours, strict=True):
        for one, other in zip(alone, beside, strict=True):
            assert one.positions.tolist() == other.positions.tolist()
            assert all(moment.neighbours is not None for moment in other.moments)
    for step in (0, 2):
        watched = np.concatenate([one.positions for one in experiment.watched_beside_neighbours(step)])
        assert watched.tolist() == np.concatenate([one.positions for one in experiment.training(step)[1]]).tolist()


def test_those_who_count_take_part(experiment: WalkForwardData) -> None:
    for make in COUNTING_MODELS.values():
        scores = count_run(make, experiment).scores
        assert len(scores.ranks) == len(experiment.facts()["user"])
        assert ((scores.ranks > 0) & (scores.ranks <= 10)).mean() > 0.1


def test_how_soon_new_items_can_be_routed(experiment: WalkForwardData) -> None:
    found = routability(experiment)
    assert found.items > 10
    assert found.by_category == 1.0
    assert found.with_row > 0.9
    assert 0 <= found.minutes[0] <= found.minutes[1]
    assert 1 <= found.clicks[0] <= found.clicks[1]
    assert found.category_agrees > 0.9
    assert found.first_agrees > 0.7


@pytest.mark.parametrize(
    ("change", "words"),
    [({"steps": 100}, "the log ends before the last of 100 steps"), ({"history": 10_000}, "examples before step 0")],
)
def test_a_log_too_short_is_refused(growing: Dataset, change: dict[str, int], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        made(growing, replace(CONFIG, **change))
