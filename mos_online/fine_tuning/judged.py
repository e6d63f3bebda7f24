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

BINS, OF_BIN = 15, 500
"""Of the expected calibration error, and so many positions in each at least: of fewer, chance is most of the error."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Of each position, float64 (n,).

    Attributes:
        auc: the chance that the target beats an item drawn by popularity; nan for a target that nobody had clicked.
        auc_of_new: the same among new items only; nan for a target that is not new.
        ndcg: at 10, among all items.
        confidence: the probability that the model gives its first item.
        right: 1 where that was the target.
    """

    auc: Floats
    auc_of_new: Floats
    ndcg: Floats
    confidence: Floats
    right: Floats

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of the first item, in bins of equal size (Naeini et al. 2015)."""
        order = np.argsort(self.confidence, kind="stable")
        parts = np.array_split(order, max(1, min(BINS, len(order) // OF_BIN)))
        gaps = [len(part) * abs(self.confidence[part].mean() - self.right[part].mean()) for part in parts if len(part)]
        return float(sum(gaps) / max(len(order), 1))


@torch.inference_mode()
def judge(model: MoS, data: ExampleLog, log_share: Tensor, *, known: int) -> Judged:
    """Rank the whole catalogue for every position, neighbours mixed in as in service.

    Args:
        model: set to evaluation.
        data: the positions.
        log_share: see ``CatalogueRanking.rank``.
        known: rows after this one are of new items.
    """
    model.eval()
    ranking = CatalogueRanking(model)
    found: list[Tensor] = []
    old = torch.zeros(len(ranking.slot) - 1, dtype=torch.bool).index_fill(0, ranking.slot[1 : known + 1], True)
    for chunk in in_chunks(data):
        scores, unknown = ranking.scores(chunk)
        ranked = ranking.rank(chunk, scores, unknown, log_share)
        is_new = chunk.targets > known
        of_new = ranking.rank(chunk, scores, unknown | (is_new.unsqueeze(1) & old), log_share).auc
        chances = scores.masked_fill(unknown, -torch.inf).softmax(1)
        confidence, _ = chances.max(1)
        near = (ranked.rank >= 1) & (ranked.rank <= 10)
        ndcg = torch.where(near, 1 / torch.log2(ranked.rank.clamp(min=1) + 1.0), 0.0)
        right = (ranked.rank == 1).float()
        found.append(torch.stack([ranked.auc, of_new.where(is_new, torch.nan), ndcg, confidence, right]))
    values = (torch.cat(found, 1) if found else torch.zeros(5, 0)).double().numpy()
    auc, auc_of_new, ndcg, confidence, right = values
    return Judged(auc=auc, auc_of_new=auc_of_new, ndcg=ndcg, confidence=confidence, right=right)
