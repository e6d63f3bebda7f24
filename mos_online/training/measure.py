"""How good a model is on positions that it has not learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.model.mixing import Mixing
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog
from mos_online.training.ranking import CatalogueRanking, Ranked, in_chunks


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Full-ranking quality: means over all positions; a target that nobody had clicked before counts as missed.

    Attributes:
        hit_rate, ndcg: at 10.
        auc: see ``Ranked``; over the other positions.
        positions: how many.
    """

    hit_rate: float
    ndcg: float
    auc: float
    positions: int


def measure(model: SequenceModel, data: ExampleLog, log_share: Tensor, *, mixing: Mixing | None = None) -> Quality:
    """Rank the whole catalogue for every position.

    Args:
        model: set to evaluation.
        data: the positions.
        log_share: float32 (items + 1,), log of each item's share of the clicks before them.
        mixing: what is mixed in; None: the model's for now.
    """
    found = ranked(model, data, log_share, mixing=mixing)
    gains = found.gains
    return Quality(
        hit_rate=float((gains > 0).float().mean()) if len(gains) else 0.0,
        ndcg=float(gains.mean()) if len(gains) else 0.0,
        auc=float(found.auc.nanmean()),
        positions=len(gains),
    )


@torch.inference_mode()
def ranked(model: SequenceModel, data: ExampleLog, log_share: Tensor, *, mixing: Mixing | None = None) -> Ranked:
    """Where the targets of a log stand; see ``measure``."""
    model.eval()
    log_share = log_share.to(model.device)
    ranking = CatalogueRanking(model, mixing=mixing)
    ranks, aucs = [torch.zeros(0)], [torch.zeros(0)]
    for chunk in in_chunks(data):
        one = chunk.to(model.device)
        found = ranking.rank(one, *ranking.scores(one), log_share)
        ranks.append(found.rank.cpu())
        aucs.append(found.auc.cpu())
    return Ranked(rank=torch.cat(ranks), auc=torch.cat(aucs))
