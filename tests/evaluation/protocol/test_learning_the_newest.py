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
from evaluation.protocol.fitting import FitConfig, fit_model
from mos_online.model import SequenceModel
from mos_online.training.fit import go_on


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
    config = Sizes(width=8).config(experiment.catalogue, "pooling", experiment.routing)
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
