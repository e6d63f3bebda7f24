"""Before the test a compared model learns what lies between training and test, as `mos train` does before service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.protocol import fitting
from evaluation.protocol.data import ExperimentData
from evaluation.protocol.fitting import FitConfig, fit_model, score_as_served
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.requests import RequestBatch
from mos_online.model import SequenceModel
from mos_online.training.fit import go_on
from mos_online.training.sequence_log import SequenceLog


def test_all_clicks_between_training_and_test_are_learned_and_none_of_the_test(experiment: ExperimentData) -> None:
    positions = np.concatenate([one.positions for one in experiment.newest])
    _, begin, end = experiment.split.borders
    times = experiment.log.times
    between = [at for at in experiment.log.order if begin <= times[at] < end and experiment.log.history[at] >= 1]
    assert positions.tolist() == between[-experiment.config.split.examples :]
    assert times[positions].max() < times[experiment.split.test].min()


def test_no_more_than_the_newest_requests_are_learned(experiment: ExperimentData) -> None:
    most, moment = experiment.config.split.examples, experiment.config.moment
    positions = np.concatenate([one.positions for one in experiment.everything])
    both = np.concatenate([one.positions for one in [*experiment.train, *experiment.newest]])
    assert positions.tolist() == both[-len(positions) :].tolist()
    assert len(positions) == len(both) or most - moment < len(positions) < most + moment


def test_the_model_of_the_test_learns_all_before_it_and_knows_their_items(
    experiment: ExperimentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[int, torch.Tensor]] = []
    learn = go_on

    def spied(model: SequenceModel, moments: int, loss: Callable[..., torch.Tensor], **how: Any) -> int:
        learned.append((moments, model.item_known.clone()))
        before = model.item.weight.detach().clone()
        passes = learn(model, moments, loss, **how)
        assert not torch.equal(before, model.item.weight)
        return passes

    monkeypatch.setattr(fitting, "go_on", spied)
    config = Sizes(width=8).config(experiment.catalogue, "pooling", experiment.routing, gap_ms=1000)
    fitted = fit_model(
        lambda: CANDIDATE_MODELS["backbone+table"].make(config),
        experiment,
        experiment.routing,
        config=FitConfig(epochs=1),
        rate=1e-2,
        seed=0,
    )
    ((moments, known),) = learned
    assert moments == len(experiment.everything)
    assert torch.equal(known, experiment.known_at_test)
    assert torch.equal(fitted.model.item_known, experiment.known_at_test)
    assert experiment.known_at_test.sum() >= experiment.known.sum()


def test_what_is_mixed_in_is_learned_anew_on_what_was_scored_and_nothing_else(
    experiment: ExperimentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each part, on the newest requests before the next one; all else of the model stays."""
    requests, most = experiment.beside_neighbours[1], 60
    learned: list[list[int]] = []

    def learn(model: SequenceModel, batches: list[RequestBatch], sequences: SequenceLog) -> None:
        learned.append([at for one in batches for at in one.positions.tolist()])

    monkeypatch.setattr(fitting, "learn_what_is_mixed_in", learn)
    monkeypatch.setattr(fitting, "LEARNED_ANEW", most)
    torch.manual_seed(0)
    model = CANDIDATE_MODELS["mos"].make(
        Sizes(width=8).config(experiment.catalogue, "pooling", experiment.routing, gap_ms=1000)
    )
    sequences = experiment.sequences(experiment.routing)
    scores = score_as_served(model, requests, sequences)
    whole = RequestSet(requests, sequences, model.config).score(model)
    np.testing.assert_array_equal(scores.ranks, whole.ranks)
    np.testing.assert_array_equal(scores.logits, whole.logits)
    positions = [at for one in requests for at in one.positions.tolist()]
    assert 2 < len(learned) < fitting.PARTS
    ends = [positions.index(one[-1]) + 1 for one in learned]
    assert ends == sorted(set(ends))
    assert ends[-1] < len(positions)
    for one, end in zip(learned, ends, strict=True):
        assert one == positions[end - len(one) : end]
        assert len(one) == end or most <= len(one) < most + experiment.config.moment
