"""Requests with their users' histories as tensors: what a model is trained on, stopped by and scored on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from evaluation.protocol.requests import RequestBatch
from evaluation.protocol.scores import Scores
from mos_online.arrays import Floats32
from mos_online.metrics.ctr import group_auc
from mos_online.model import MoSConfig, SequenceModel
from mos_online.model.expectation import Expectations
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.fit import Reached
from mos_online.training.loss import ranking_loss
from mos_online.training.ranking import CatalogueRanking
from mos_online.training.sequence_log import SequenceLog

CUT = 10
"""Of NDCG."""

PAIRED = 15
"""Negatives per positive in the training of models that read the candidate."""


class RequestSet:
    """Requests and the histories of their users, by one way of routing.

    Attributes:
        requests: in order of time.
    """

    def __init__(self, requests: Sequence[RequestBatch], log: SequenceLog, config: MoSConfig) -> None:
        self.requests = requests
        self._log, self._config = log, config

    def examples(self, numbers: Sequence[int]) -> Examples:
        """The examples of some batches."""
        moments = [moment for number in numbers for moment in self.requests[number].moments]
        return ExampleLog(moments=moments, log=self._log, config=self._config).of(range(len(moments)))

    def loss(self, model: SequenceModel, numbers: Sequence[int], generator: torch.Generator) -> Tensor:
        """Mean loss of some batches, a scalar, with the model's penalty if it has one."""
        if not model.target_aware:
            loss = ranking_loss(model, self.examples(numbers), generator)
            return loss if model.penalty is None else loss + model.penalty
        losses = []
        for number in numbers:
            loss = pair_loss(model, self.examples([number]), self.requests[number], generator)
            losses.append(loss if model.penalty is None else loss + model.penalty)
        return torch.stack(losses).mean()

    @torch.inference_mode()
    def quality(self, model: SequenceModel) -> Reached:
        """NDCG@10 among the whole catalogue, and the chance to beat an item drawn by popularity.

        A model that reads the candidate ranks no catalogue. Its chance is that of beating the fixed negatives.
        """
        model.eval()
        if model.target_aware:
            both = [group_auc(self._complete(_pair_logits(model, *one))) for one in self._each()]
            return Reached(ndcg=None, auc=float(np.concatenate(both).mean()))
        ranking = CatalogueRanking(model)
        found = [ranking.rank(data, *ranking.scores(data), requests.log_share) for requests, data in self._each()]
        rank = torch.cat([one.rank for one in found])
        hit = (rank >= 1) & (rank <= CUT)
        return Reached(
            ndcg=float((hit / torch.log2(rank.clamp(min=1) + 1.0)).mean()),
            auc=float(torch.cat([one.auc for one in found]).nanmean()),
        )

    @torch.inference_mode()
    def score(self, model: SequenceModel, expectations: Expectations | None = None) -> Scores:
        """Score every position; models that do not read the candidate also rank the whole catalogue.

        Args:
            model: that scores.
            expectations: see ``CatalogueRanking``.
        """
        model.eval()
        if model.target_aware:
            scored = [(_pair_logits(model, *one), np.zeros(len(one[0].targets), np.int32)) for one in self._each()]
        else:
            ranking = CatalogueRanking(model, expectations)
            scored = [_ranked(ranking, *one) for one in self._each()]
        whole, m = np.concatenate([logits for logits, _ in scored]), self.requests[0].negatives.shape[1]
        return Scores(
            logits=whole[:, : 1 + m],
            themed=np.concatenate([whole[:, :1], whole[:, 1 + m :]], 1),
            ranks=np.concatenate([ranks for _, ranks in scored]),
        )

    def _each(self) -> Iterator[tuple[RequestBatch, Examples]]:
        for number, requests in enumerate(self.requests):
            yield requests, self.examples([number])

    def _complete(self, logits: Floats32) -> Floats32:
        """Targets and negatives of the requests that have all of them."""
        own = logits[:, : 1 + self.requests[0].negatives.shape[1]]
        return own[np.isfinite(own).all(1)]


def _ranked(ranking: CatalogueRanking, requests: RequestBatch, data: Examples) -> tuple[Floats32, NDArray[np.int32]]:
    """Logits of target and negatives, float32 (B, 1 + 2m), and the target's rank, int32 (B,)."""
    scores, unknown = ranking.scores(data)
    pairs = _pairs(requests)
    level = scores.masked_fill(unknown, -torch.inf).logsumexp(1, keepdim=True)
    chosen = scores.gather(1, ranking.slot[pairs.clamp(min=1)]) - level - requests.log_share[pairs.clamp(min=0)]
    logits: Floats32 = chosen.masked_fill(pairs <= 0, torch.nan).numpy()
    rank = ranking.rank(data, scores, unknown, requests.log_share).rank
    return logits, rank.numpy().astype(np.int32)


def _pairs(requests: RequestBatch) -> Tensor:
    """Target, negatives, same-theme negatives, int64 (B, 1 + 2m); -1 where one is missing."""
    return torch.from_numpy(np.concatenate([requests.targets[:, None], requests.negatives, requests.themed], 1))


def _pair_logits(model: SequenceModel, requests: RequestBatch, data: Examples) -> Floats32:
    """Log p(x|u) - log q(x), up to a constant of the user, of target and negatives, float32 (B, 1 + 2m)."""
    pairs = _pairs(requests)
    asked = pairs.clamp(min=0)
    scores = model.score_pairs(data.batch, asked, data.features(asked, model.item_known)) - requests.log_share[asked]
    logits: Floats32 = scores.masked_fill(pairs <= 0, torch.nan).numpy()
    return logits


def pair_loss(model: SequenceModel, data: Examples, requests: RequestBatch, generator: torch.Generator) -> Tensor:
    """Cross-entropy of the target among popular negatives, plus the log loss that fixes the scores' level.

    Negatives are drawn by popularity q, so the score, which stands for log p(x|u), is corrected by log q(x).
    """
    count = len(data.targets)
    drawn = torch.randint(0, len(requests.pool), (count, PAIRED), generator=generator)
    rows = torch.cat([data.targets.unsqueeze(1), torch.from_numpy(requests.pool)[drawn]], 1)
    logits = model.score_pairs(data.batch, rows, data.features(rows, model.item_known)) - requests.log_share[rows]
    again = rows[:, 1:] == data.targets.unsqueeze(1)
    logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(again, -30.0)], 1)
    label = torch.zeros_like(logits)
    label[:, 0] = 1.0
    level = F.binary_cross_entropy_with_logits(logits - np.log(PAIRED), label, reduction="sum") / count
    return F.cross_entropy(logits, torch.zeros(count, dtype=torch.int64)) + level
