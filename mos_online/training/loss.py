"""The loss of a model that ranks the whole catalogue."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import Examples

WHOLE = 6000
"""A catalogue up to this size is scored whole in training; of a larger one the idle items are sampled."""

SAMPLED = 1500
"""So many idle items are drawn from a larger catalogue, at each step anew."""


def ranking_loss(model: SequenceModel, data: Examples, generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of the targets among the candidates, a scalar; targets without a row do not count.

    Args:
        model: in the mode to train.
        data: the examples of one moment, on any device.
        generator: draws the candidates of a large catalogue.
    """
    data = data.to(model.device)
    candidates, weights = _candidates(data, model.config.items, generator)
    slot = candidates.new_full((model.config.items + 1,), -1)
    slot[candidates] = torch.arange(len(candidates), device=model.device)
    users = model.encode(data.batch)
    scores = model.score(users, candidates, data.features[candidates])
    scores = model.add_repeats(scores, data.batch, slot) + weights
    kept = data.targets > 0
    return F.cross_entropy(scores[kept], slot[data.targets[kept]])


def _candidates(data: Examples, items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows to compete with the targets, and log weights by which sampled ones stand for the rest."""
    device = data.targets.device
    if items <= WHOLE:
        return torch.arange(1, items + 1, device=device), torch.zeros(items, device=device)
    sure = torch.unique(torch.cat([data.active, data.targets[data.targets > 0]]))
    drawn = torch.randint(1, items + 1, (SAMPLED,), generator=generator).to(device)
    drawn = drawn[~torch.isin(drawn, sure)].unique()
    stands_for = (items - len(sure)) / max(len(drawn), 1)
    weights = torch.zeros(len(sure) + len(drawn), device=device)
    weights[len(sure) :] = math.log(max(stands_for, 1.0))
    return torch.cat([sure, drawn]), weights
