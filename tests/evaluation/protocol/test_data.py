"""Nothing that is learned or read comes from later than it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from evaluation.candidates.counting import COUNTING_MODELS, count_run
from evaluation.protocol import data as data_module
from evaluation.protocol.data import ExperimentData
from evaluation.protocol.requests import RequestBatch
from mos_online.baselines import KnnChoice
from mos_online.errors import DatasetError
from mos_online.items.co_clicks import CoClicks
from mos_online.sessions import SessionConfig
from mos_online.training.moments import Moment
from mos_online.training.sequence_log import SequenceLog
from simulator.dataset import Dataset
from tests.evaluation.conftest import CONFIG, SPLIT, small_experiment


def perturbed(data: Dataset, since: int) -> Dataset:
    """The same log, but items after ``since`` are dealt out anew (each stays where it was in time and by user)."""
    late = pl.col("timestamp") >= since
    mixed = data.events.with_columns(
        item_id=pl.when(late).then(pl.col("item_id").shuffle(seed=1)).otherwise(pl.col("item_id"))
    )
    return replace(data, events=mixed)


def same_popularity(one: Moment, other: Moment) -> bool:
    return torch.equal(one.popular.popular, other.popular.popular) and torch.equal(
        one.popular.facts, other.popular.facts
    )


def same(one: RequestBatch, other: RequestBatch) -> bool:
    return (
        np.array_equal(one.positions, other.positions)
        and [moment.seen for moment in one.moments] == [moment.seen for moment in other.moments]
        and all(map(same_popularity, one.moments, other.moments))
        and np.array_equal(one.pool, other.pool)
        and torch.equal(one.log_share, other.log_share)
    )


def log_of(experiment: ExperimentData) -> SequenceLog:
    return experiment.sequences(experiment.routing)


def names(experiment: ExperimentData, rows: torch.Tensor) -> list[str]:
    return [experiment.catalogue.items[row - 1] if row else "" for row in rows.flatten().tolist()]


def test_what_comes_later_teaches_nothing(population: Dataset, experiment: ExperimentData) -> None:
    """Rows of the catalogue follow first appearance, so items seen before the cut keep theirs."""
    cut = experiment.split.borders[1]
    other = small_experiment(perturbed(population, cut))
    assert other.router.version == experiment.router.version
    assert other.half_life_ms == experiment.half_life_ms
    assert other.split.borders == experiment.split.borders
    count = min(len(experiment.known), len(other.known))
    known = experiment.known[:count] > 0
    assert torch.equal(experiment.known[:count], other.known[:count])
    assert torch.equal(experiment.routing.table[:count][known], other.routing.table[:count][known])
    assert len(experiment.known) == len(other.known), "the population's items all appear early: rows are comparable"
    assert all(same(a, b) for a, b in zip(experiment.train, other.train, strict=True))
    assert not same(experiment.test[-1], other.test[-1]), "the perturbation reaches the test"


def test_the_router_knows_only_events_before_the_first_cut(population: Dataset, experiment: ExperimentData) -> None:
    other = small_experiment(perturbed(population, experiment.split.borders[0]))
    assert other.router.version == experiment.router.version
    assert not np.array_equal(other.routing.event_theme, experiment.routing.event_theme)


def test_a_moment_is_blind_for_what_follows_it(population: Dataset, experiment: ExperimentData) -> None:
    requests = experiment.test[1]
    for number in (0, 7):
        moment = requests.moments[number]
        begin = int(experiment.log.times[moment.positions].min())
        other = small_experiment(perturbed(population, begin))
        twin = next(one for one in other.test if np.array_equal(one.positions, requests.positions))
        assert same_popularity(moment, twin.moments[number])
        assert moment.seen == twin.moments[number].seen
        assert np.array_equal(requests.pool, twin.pool)
        assert not same_popularity(requests.moments[-1], twin.moments[-1]), "later ones know what came between"
        assert moment.clicks_before == experiment.log.rank[moment.positions[0]], "a judged position knows every click"
    first = moment.positions[experiment.log.times[moment.positions] == begin]
    a, b = (log_of(one).batch(first, recent=10, ring=5) for one in (experiment, other))
    assert names(experiment, a.items) == names(other, b.items)
    assert names(experiment, a.ring_items) == names(other, b.ring_items)


def test_histories_end_before_their_target(experiment: ExperimentData) -> None:
    for requests in (*experiment.train, *experiment.test):
        batch = log_of(experiment).batch(requests.positions, recent=10, ring=5)
        for row, at in enumerate(requests.positions.tolist()):
            count = int(batch.mask[row].sum())
            assert batch.items[row, :count].tolist() == experiment.item_rows[at - count : at].tolist()
            assert (batch.ages[row, :count] >= 0).all()
            held = sum(int(batch.ring_mask[ring].sum()) for ring in torch.nonzero(batch.ring_user == row).flatten())
            first = at - experiment.log.history[at]
            closed = experiment.log.sessions[first:at] < experiment.log.sessions[at]
            assert held <= closed.sum()


def test_negatives_are_the_same_for_everybody_and_come_from_the_past(
    population: Dataset, experiment: ExperimentData
) -> None:
    again = small_experiment(population)
    for requests, twin in zip(experiment.test, again.test, strict=True):
        assert np.array_equal(requests.negatives, twin.negatives)
        assert np.array_equal(requests.themed, twin.themed)
        assert set(requests.negatives[requests.negatives >= 0]) <= set(requests.pool)
    assert not experiment.train[0].negatives.size
    other = small_experiment(population, replace(CONFIG, seed=1))
    assert not np.array_equal(other.test[0].negatives, experiment.test[0].negatives)


def test_items_without_a_vector_take_their_categorys(experiment: ExperimentData) -> None:
    known = next(item for item in experiment.catalogue.items if item in experiment.past(0)["item_id"])
    category = experiment.log.categories[known]
    rows = experiment.router.vectors([known, "never seen", "never seen"], [category, category, None])
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, np.linalg.norm(rows[1]), 0], abs=1e-3)
    assert np.linalg.norm(rows[1]) > 0.5
    assert not np.array_equal(rows[0], rows[1])


def test_a_log_too_short_is_refused(population: Dataset) -> None:
    with pytest.raises(DatasetError, match="too short"):
        small_experiment(population, replace(CONFIG, split=replace(SPLIT, history=10_000)))


def test_positions_of_one_moment_come_in_the_order_of_the_log(population: Dataset) -> None:
    """Of a log of whole days. In another order, what was counted up to one position holds later clicks of its day."""
    day = 86_400_000
    events = population.clicks.with_columns(pl.col("timestamp") // day * day)
    data = ExperimentData(events, population.items, sessions=SessionConfig(), config=CONFIG, name="days")
    assert len(np.unique(data.log.times)) < len(data.log.times) // 10
    for positions in (data.split.train, data.split.validation, data.split.test):
        assert (np.diff(data.log.rank[positions]) > 0).all()


def test_neighbours_are_counted_if_somebody_asks_for_them_and_once(
    population: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[int] = []

    def choose(events: pl.DataFrame, **settings: float) -> KnnChoice:
        chosen.append(len(events))
        return KnnChoice(half_life_ms=1e8, resumes=True, repeats=True)

    monkeypatch.setattr(data_module, "choose_knn", choose)
    data = small_experiment(population)
    assert all(moment.neighbours is None for batch in (*data.validation, *data.test) for moment in batch.moments)
    assert not chosen
    count_run(COUNTING_MODELS["item-knn"], data)
    beside = data.beside_neighbours
    assert beside is data.beside_neighbours
    assert chosen == [len(data.past(1))], "item-kNN and co-clicks share one choice"
    for plain, more in zip(data.test, beside[1], strict=True):
        assert np.array_equal(plain.negatives, more.negatives)
        assert [one.popular for one in plain.moments] == [one.popular for one in more.moments]
    assert all(len(moment.positions) == CONFIG.fresh for batch in beside[0] for moment in batch.moments)
    for moment in (beside[0][0].moments[0], beside[1][-1].moments[-1]):
        assert moment.neighbours is not None
        counts = CoClicks(half_life_ms=1e8, window_ms=SessionConfig().gap)
        for click in data.log.clicks[: moment.clicks_before]:
            counts.add(click.user_id, click.item_id, click.timestamp)
        item = data.log.events["item_id"][int(moment.positions[0]) - 1]
        owner = moment.neighbours.owners == data.catalogue.rows[item]
        assert moment.neighbours.support[owner].tolist() == pytest.approx([sum(counts.listed(item).values())])
