"""What a model makes of positions that it has not learned, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mos_online.arrays import Floats
from mos_online.model import MoS
from mos_online.training.examples import ExampleLog
from mos_online.training.ranking import CatalogueRanking, in_chunks

BINS = 15
"""Of the expected calibration error."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Of each position, float64 (n,).

    Attributes:
        auc: the chance that the target beats an item drawn by popularity; nan for a target that nobody had clicked.
        ndcg: at 10, among all items.
        confidence: the probability that the model gives its first item.
        right: 1 where that was the target.
    """

    auc: Floats
    ndcg: Floats
    confidence: Floats
    right: Floats

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of the first item, in bins of equal size (Naeini et al. 2015)."""
        order = np.argsort(self.confidence, kind="stable")
        parts = np.array_split(order, min(BINS, max(len(order), 1)))
        gaps = [len(part) * abs(self.confidence[part].mean() - self.right[part].mean()) for part in parts if len(part)]
        return float(sum(gaps) / max(len(order), 1))


@torch.inference_mode()
def judge(model: MoS, data: ExampleLog, log_share: Tensor) -> Judged:
    """Rank the whole catalogue for every position, neighbours mixed in as in service.

    Args:
        model: set to evaluation.
        data: the positions.
        log_share: see ``CatalogueRanking.rank``.
    """
    model.eval()
    ranking = CatalogueRanking(model)
    found: list[Tensor] = []
    for chunk in in_chunks(data):
        scores, unknown = ranking.scores(chunk)
        ranked = ranking.rank(chunk, scores, unknown, log_share)
        chances = scores.masked_fill(unknown, -torch.inf).softmax(1)
        confidence, _ = chances.max(1)
        near = (ranked.rank >= 1) & (ranked.rank <= 10)
        ndcg = torch.where(near, 1 / torch.log2(ranked.rank.clamp(min=1) + 1.0), 0.0)
        found.append(torch.stack([ranked.auc, ndcg, confidence, (ranked.rank == 1).float()]))
    auc, ndcg, confidence, right = (torch.cat(found, 1) if found else torch.zeros(4, 0)).double().numpy()
    return Judged(auc=auc, ndcg=ndcg, confidence=confidence, right=right)
