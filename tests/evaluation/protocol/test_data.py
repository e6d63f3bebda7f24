"""Nothing that is learned or read comes from later than it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from evaluation.protocol.batches import Part
from evaluation.protocol.data import Trial
from mos_online.errors import DatasetError
from mos_online.training.log import SequenceLog
from simulator.dataset import Dataset
from tests.evaluation.conftest import CONFIG, SPLIT, small_trial


def perturbed(data: Dataset, since: int) -> Dataset:
    """The same log, but items after ``since`` are dealt out anew (each stays where it was in time and by user)."""
    late = pl.col("timestamp") >= since
    mixed = data.events.with_columns(
        item_id=pl.when(late).then(pl.col("item_id").shuffle(seed=1)).otherwise(pl.col("item_id"))
    )
    return replace(data, events=mixed)


def same(one: Part, other: Part) -> bool:
    return (
        np.array_equal(one.positions, other.positions)
        and torch.equal(one.active, other.active)
        and torch.equal(one.features, other.features)
        and np.array_equal(one.pool, other.pool)
        and torch.equal(one.log_share, other.log_share)
    )


def log_of(trial: Trial) -> SequenceLog:
    return SequenceLog(trial.frame, trial.catalogue, trial.routing.event_theme, trial.routing.themes)


def names(trial: Trial, rows: torch.Tensor) -> list[str]:
    return [trial.catalogue.items[row - 1] if row else "" for row in rows.flatten().tolist()]


def test_what_comes_later_teaches_nothing(population: Dataset, trial: Trial) -> None:
    """Rows of the catalogue follow first appearance, so items seen before the cut keep theirs."""
    cut = trial.split.borders[1]
    other = small_trial(perturbed(population, cut))
    assert other.router.version == trial.router.version
    assert other.half_life == trial.half_life
    assert other.split.borders == trial.split.borders
    count = min(len(trial.known), len(other.known))
    assert torch.equal(trial.known[:count], other.known[:count])
    assert torch.equal(trial.table[:count][trial.known[:count] > 0], other.table[:count][trial.known[:count] > 0])
    assert len(trial.known) == len(other.known), "the population's items all appear early: rows are comparable"
    assert all(same(a, b) for a, b in zip(trial.train, other.train, strict=True))
    assert not same(trial.test[-1], other.test[-1]), "the perturbation reaches the test"


def test_the_router_knows_only_events_before_the_first_cut(population: Dataset, trial: Trial) -> None:
    other = small_trial(perturbed(population, trial.split.borders[0]))
    assert other.router.version == trial.router.version
    assert not np.array_equal(other.routing.event_theme, trial.routing.event_theme)


def test_a_moment_is_blind_for_what_follows_it(population: Dataset, trial: Trial) -> None:
    part = trial.test[1]
    begin = int(trial.log.times[part.positions].min())
    other = small_trial(perturbed(population, begin))
    twin = next(one for one in other.test if np.array_equal(one.positions, part.positions))
    assert same(part, twin)
    first = part.positions[trial.log.times[part.positions] == begin]
    a, b = (log_of(one).batch(first, recent=10, ring=5) for one in (trial, other))
    assert names(trial, a.items) == names(other, b.items)
    assert names(trial, a.ring_items) == names(other, b.ring_items)


def test_histories_end_before_their_target(trial: Trial) -> None:
    for part in (*trial.train, *trial.test):
        batch = log_of(trial).batch(part.positions, recent=10, ring=5)
        for row, at in enumerate(part.positions.tolist()):
            count = int(batch.mask[row].sum())
            assert batch.items[row, :count].tolist() == trial.log.items[at - count : at].tolist()
            assert (batch.ages[row, :count] >= 0).all()
            held = sum(int(batch.ring_mask[ring].sum()) for ring in torch.nonzero(batch.ring_user == row).flatten())
            closed = trial.log.sessions[trial.log.user_start[at] : at] < trial.log.sessions[at]
            assert held <= closed.sum()


def test_negatives_are_the_same_for_everybody_and_come_from_the_past(population: Dataset, trial: Trial) -> None:
    again = small_trial(population)
    for part, twin in zip(trial.test, again.test, strict=True):
        assert np.array_equal(part.negatives, twin.negatives)
        assert np.array_equal(part.themed, twin.themed)
        assert set(part.negatives[part.negatives >= 0]) <= set(part.pool)
    assert not trial.train[0].negatives.size
    other = small_trial(population, replace(CONFIG, seed=1))
    assert not np.array_equal(other.test[0].negatives, trial.test[0].negatives)


def test_items_without_a_vector_take_their_categorys(trial: Trial) -> None:
    known = next(item for item in trial.catalogue.items if item in trial.past(0)["item_id"])
    category = trial.categories[known]
    rows = trial.router.vectors([known, "never seen", "never seen"], [category, category, None])
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, np.linalg.norm(rows[1]), 0], abs=1e-3)
    assert np.linalg.norm(rows[1]) > 0.5
    assert not np.array_equal(rows[0], rows[1])


def test_a_log_too_short_is_refused(population: Dataset) -> None:
    with pytest.raises(DatasetError, match="too short"):
        small_trial(population, replace(CONFIG, split=replace(SPLIT, history=10_000)))
