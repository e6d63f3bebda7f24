"""How good a model is on positions that it has not learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.model.mixing import Mixing
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog
from mos_online.training.ranking import CatalogueRanking, in_chunks


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


@torch.inference_mode()
def measure(model: SequenceModel, data: ExampleLog, log_share: Tensor, *, mixing: Mixing | None = None) -> Quality:
    """Rank the whole catalogue for every position.

    Args:
        model: set to evaluation.
        data: the positions.
        log_share: float32 (items + 1,), log of each item's share of the clicks before them.
        mixing: what is mixed in; None: the model's for now.
    """
    model.eval()
    log_share = log_share.to(model.device)
    ranking = CatalogueRanking(model, mixing=mixing)
    ranks, aucs = [torch.zeros(0)], [torch.zeros(0)]
    for chunk in in_chunks(data):
        one = chunk.to(model.device)
        found = ranking.rank(one, *ranking.scores(one), log_share)
        ranks.append(found.rank.cpu())
        aucs.append(found.auc.cpu())
    rank = torch.cat(ranks)
    hit = (rank >= 1) & (rank <= 10)
    count = max(len(rank), 1)
    return Quality(
        hit_rate=float(hit.sum()) / count,
        ndcg=float((1 / torch.log2(rank[hit] + 1.0)).sum()) / count,
        auc=float(torch.cat(aucs).nanmean()),
        positions=len(rank),
    )
