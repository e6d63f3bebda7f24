"""One score, two ways to it: a catalogue at once, or each user's own candidates."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.protocol.data import ExperimentData
from mos_online.model import Batch, MoSConfig, SequenceModel
from mos_online.model.config import REALTIME_FEATURES
from mos_online.training.routing import describe_items

CONFIG = MoSConfig(items=1, themes=1, width=16, recent=12, short=4, theme_ring=6)


def ready(experiment: ExperimentData, name: str, backbone: str) -> tuple[SequenceModel, Batch, Tensor]:
    torch.manual_seed(1)
    config = replace(
        CONFIG,
        backbone=backbone,
        items=len(experiment.catalogue.items),
        categories=len(experiment.catalogue.categories),
        themes=experiment.routing.themes,
        table=experiment.routing.table.shape[1],
    )
    model = CANDIDATE_MODELS[name].make(config).eval()
    describe_items(model, experiment.catalogue, experiment.routing, experiment.known)
    with torch.no_grad():
        for weight in model.parameters():  # what starts at zero must count too
            weight.add_(0.1 * torch.randn_like(weight))
    log = experiment.sequences(experiment.routing)
    batch = log.batch(experiment.test[0].positions[:12], recent=model.config.recent, ring=model.config.theme_ring)
    features = torch.rand(config.items + 1, REALTIME_FEATURES)
    return model, batch, features


@pytest.mark.parametrize("name", ["backbone+table", "mos", "mos-residual", "mmoe", "comirec", "hrnn", "dsin"])
@torch.inference_mode()
def test_pairs_equal_the_catalogue(experiment: ExperimentData, name: str) -> None:
    model, batch, features = ready(experiment, name, "gru4rec")
    everything = torch.arange(1, model.config.items + 1)
    slot = torch.cat([torch.tensor([-1]), torch.arange(model.config.items)])
    scores = model.score(model.encode(batch), everything, features[everything])
    scores = model.add_repeats(scores, batch, slot)
    candidates = torch.randint(1, model.config.items + 1, (len(batch.items), 7), generator=torch.Generator())
    candidates[:, 0] = batch.items.max(1).values.clamp(min=1)  # one that the user had
    pairs = model.score_pairs(batch, candidates, features[candidates])
    torch.testing.assert_close(pairs, scores.gather(1, candidates - 1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["backbone+table", "mos"])
@pytest.mark.parametrize("backbone", ["din", "sdim", "twin"])
@torch.inference_mode()
def test_a_candidates_score_is_its_own_affair(experiment: ExperimentData, name: str, backbone: str) -> None:
    model, batch, features = ready(experiment, name, backbone)
    candidates = torch.randint(1, model.config.items + 1, (len(batch.items), 6), generator=torch.Generator())
    together = model.score_pairs(batch, candidates, features[candidates])
    for column in (0, 5):
        one = candidates[:, column : column + 1]
        alone = model.score_pairs(batch, one, features[one])
        torch.testing.assert_close(alone[:, 0], together[:, column], rtol=1e-4, atol=1e-4)
    order = torch.randperm(6, generator=torch.Generator())
    mixed = model.score_pairs(batch, candidates[:, order], features[candidates[:, order]])
    torch.testing.assert_close(mixed, together[:, order], rtol=1e-4, atol=1e-4)
    assert together.std(1).min() > 1e-3
