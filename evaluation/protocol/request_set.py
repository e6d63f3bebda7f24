"""Requests with their users' histories as tensors: what a model is trained on, stopped by and scored on."""

from __future__ import annotations

from collections.abc import Sequence

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
from mos_online.model.batch import Batch
from mos_online.training.examples import Examples
from mos_online.training.loss import ranking_loss
from mos_online.training.sequence_log import SequenceLog

PAIRED = 15
"""Negatives per positive in the training of models that read the candidate."""


class RequestSet:
    """Requests as tensors, for one way of routing.

    Attributes:
        requests: in order of time.
        histories: of the users of each batch.
    """

    def __init__(self, requests: Sequence[RequestBatch], log: SequenceLog, config: MoSConfig) -> None:
        self.requests = requests
        self.histories: list[Batch] = [
            log.batch(one.positions, recent=config.recent, ring=config.theme_ring) for one in requests
        ]

    def loss(self, model: SequenceModel, index: int, generator: torch.Generator) -> Tensor:
        """Loss of the batch ``index``, a scalar, with the model's penalty if it has one."""
        requests, batch = self.requests[index], self.histories[index]
        targets = torch.from_numpy(requests.targets)
        if model.target_aware:
            loss = pair_loss(model, batch, targets, requests, generator)
        else:
            data = Examples(batch=batch, targets=targets, active=requests.active, features=requests.features)
            loss = ranking_loss(model, data, generator)
        return loss if model.penalty is None else loss + model.penalty

    @torch.inference_mode()
    def quality(self, model: SequenceModel) -> float:
        """Mean share of its own negatives that a target beats, ties half: request-wise AUC."""
        model.eval()
        both = zip(self.requests, self.histories, strict=True)
        return float(np.concatenate([group_auc(self._complete(_pair_logits(model, *one))) for one in both]).mean())

    @torch.inference_mode()
    def score(self, model: SequenceModel) -> Scores:
        """Score every position; models that do not read the candidate also rank the whole catalogue."""
        model.eval()
        both = zip(self.requests, self.histories, strict=True)
        if model.target_aware:
            scored = [(_pair_logits(model, *one), np.zeros(len(one[0].targets), np.int32)) for one in both]
        else:
            ranking = _Ranking(model)
            scored = [ranking.score(*one) for one in both]
        whole, m = np.concatenate([logits for logits, _ in scored]), self.requests[0].negatives.shape[1]
        return Scores(
            logits=whole[:, : 1 + m],
            themed=np.concatenate([whole[:, :1], whole[:, 1 + m :]], 1),
            ranks=np.concatenate([ranks for _, ranks in scored]),
        )

    def _complete(self, logits: Floats32) -> Floats32:
        """Targets and negatives of the requests that have all of them."""
        own = logits[:, : 1 + self.requests[0].negatives.shape[1]]
        return own[np.isfinite(own).all(1)]


class _Ranking:
    """Scores the whole catalogue, items of one theme side by side."""

    def __init__(self, model: SequenceModel) -> None:
        self._model = model
        theme = model.item_theme[1:]
        self._everything = torch.argsort(theme, stable=True) + 1
        self._slot = torch.full((len(theme) + 1,), -1)
        self._slot[self._everything] = torch.arange(len(theme))

    def score(self, requests: RequestBatch, batch: Batch) -> tuple[Floats32, NDArray[np.int32]]:
        """Logits of target and negatives, float32 (B, 1 + 2m), and the target's rank, int32 (B,)."""
        scores = self._model.score(self._model.encode(batch), self._everything, requests.features[self._everything])
        scores = self._model.add_repeats(scores, batch, self._slot)
        pairs = _pairs(requests)
        level = scores.logsumexp(1, keepdim=True) + requests.log_share[pairs.clamp(min=0)]
        chosen = scores.gather(1, self._slot[pairs.clamp(min=1)]) - level
        logits: Floats32 = chosen.masked_fill(pairs <= 0, torch.nan).numpy()
        own = scores.gather(1, self._slot[pairs[:, :1]])
        above = (scores > own).sum(1) + ((scores == own).sum(1) - 1) // 2
        return logits, (above + 1).numpy().astype(np.int32)


def _pairs(requests: RequestBatch) -> Tensor:
    """Target, negatives, same-theme negatives, int64 (B, 1 + 2m); -1 where one is missing."""
    return torch.from_numpy(np.concatenate([requests.targets[:, None], requests.negatives, requests.themed], 1))


def _pair_logits(model: SequenceModel, requests: RequestBatch, batch: Batch) -> Floats32:
    """Log p(x|u) - log q(x), up to a constant of the user, of target and negatives, float32 (B, 1 + 2m)."""
    pairs = _pairs(requests)
    asked = pairs.clamp(min=0)
    scores = model.score_pairs(batch, asked, requests.features) - requests.log_share[asked]
    logits: Floats32 = scores.masked_fill(pairs <= 0, torch.nan).numpy()
    return logits


def pair_loss(
    model: SequenceModel, batch: Batch, targets: Tensor, requests: RequestBatch, generator: torch.Generator
) -> Tensor:
    """Cross-entropy of the target among popular negatives, plus the log loss that fixes the scores' level.

    Negatives are drawn by popularity q, so the score, which stands for log p(x|u), is corrected by log q(x).
    """
    drawn = torch.randint(0, len(requests.pool), (len(targets), PAIRED), generator=generator)
    rows = torch.cat([targets.unsqueeze(1), torch.from_numpy(requests.pool)[drawn]], 1)
    logits = model.score_pairs(batch, rows, requests.features) - requests.log_share[rows]
    again = rows[:, 1:] == targets.unsqueeze(1)
    logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(again, -30.0)], 1)
    label = torch.zeros_like(logits)
    label[:, 0] = 1.0
    level = F.binary_cross_entropy_with_logits(logits - np.log(PAIRED), label, reduction="sum") / len(targets)
    return F.cross_entropy(logits, torch.zeros(len(targets), dtype=torch.int64)) + level
