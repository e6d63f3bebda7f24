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

IGNORED = -100
"""Stands for a target without a row."""


def ranking_loss(model: SequenceModel, data: Examples, generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of the targets among the items known at their moment, a scalar.

    An item that was first clicked later is no candidate: to learn that it was not clicked before it existed would teach
    a model that new items are never clicked. Of a large catalogue the popular items and the targets are candidates, and
    a uniform sample of the others, each of which stands for several by the logarithm of their number (importance
    sampling of the softmax, Bengio & Senecal 2008). Targets without a row do not count.

    Args:
        model: in the mode to train.
        data: the examples of one or more moments, on any device.
        generator: draws the candidates of a large catalogue.
    """
    data = data.to(model.device)
    sure, drawn = _candidates(data, generator)
    candidates = torch.cat([sure, drawn])
    order = torch.argsort(model.item_theme[candidates], stable=True)
    candidates, is_drawn = candidates[order], (order >= len(sure))
    slot = candidates.new_full((model.config.items + 1,), -1)
    slot[candidates] = torch.arange(len(candidates), device=model.device)
    scores = model.score_moments(
        model.encode(data.batch), candidates, data.popular, data.sizes, _offsets(data, candidates, is_drawn, slot)
    )
    scores = model.add_repeats(scores, data.batch, slot)
    wanted = torch.where(data.targets > 0, slot[data.targets], IGNORED)
    return F.cross_entropy(scores, wanted, ignore_index=IGNORED)


def _candidates(data: Examples, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows that compete with the targets: those that always do, and a sample of the others."""
    device, seen = data.targets.device, max(data.seen)
    targets = data.targets[data.targets > 0]
    if seen <= WHOLE:
        everything = torch.arange(1, seen + 1, device=device)
        return torch.unique(torch.cat([everything, targets])), targets[:0]
    sure = torch.unique(torch.cat([*(one.popular for one in data.popular), targets]))
    drawn = torch.randint(1, seen + 1, (SAMPLED,), generator=generator).to(device)
    return sure, drawn[~torch.isin(drawn, sure)].unique()


def _offsets(data: Examples, candidates: Tensor, is_drawn: Tensor, slot: Tensor) -> list[Tensor]:
    """What is added to the candidates' scores at each moment, float32 (C,).

    Minus infinity for an item that was first clicked later, unless it is a target of the moment; for one that was
    drawn the logarithm of how many idle items it stands for.
    """
    made = []
    for seen, targets in zip(data.seen, data.targets.split(data.sizes), strict=True):
        known = candidates <= seen
        sampled = int((known & is_drawn).sum())
        idle = seen - int((known & ~is_drawn).sum())
        offset = torch.zeros(len(candidates), device=candidates.device)
        offset[is_drawn] = math.log(max(idle / max(sampled, 1), 1.0))
        offset[~known] = -torch.inf
        own = slot[targets[targets > 0]]
        offset[own[~known[own]]] = 0.0
        made.append(offset)
    return made
