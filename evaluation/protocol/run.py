"""One cell of the table: a contestant fitted with one seed, and what it scored on every test position."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from evaluation.protocol.batches import Part
from evaluation.protocol.data import Routing, Trial
from mos_online.metrics.ctr import group_auc
from mos_online.model import MoSConfig, SequenceModel
from mos_online.model.batch import Batch
from mos_online.training.fit import Example, fit, loss_of
from mos_online.training.log import SequenceLog

Floats = NDArray[np.float32]

PAIRED = 15
"""Negatives per positive in the training of models that read the candidate."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """The budget of every contestant.

    Attributes:
        epochs, patience: see ``mos_online.training.fit.fit``.
        rates: learning rates that are tried; tuning: by so many seeds.
        seconds: of one fit, at most.
    """

    epochs: int = 6
    patience: int = 2
    rates: tuple[float, ...] = (3e-3, 1e-2)
    tuning: int = 2
    seconds: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a model said of positions (n,), m fixed negatives each.

    Attributes:
        logits: float32 (n, 1 + m), log p(x|u) - log q(x), with q the popularity by which negatives were drawn; column
            0 is the target. nan where a negative is missing.
        themed: float32 (n, 1 + m), likewise against negatives of the target's theme.
        ranks: int32 (n,), the target's rank in the whole catalogue, 1 is best; 0 where not ranked.
    """

    logits: Floats
    themed: Floats
    ranks: NDArray[np.int32]


class Ready:
    """A part of a trial as tensors, for one routing."""

    def __init__(self, parts: Sequence[Part], log: SequenceLog, config: MoSConfig) -> None:
        self.parts = parts
        self.batches: list[Batch] = [
            log.batch(part.positions, recent=config.recent, ring=config.theme_ring) for part in parts
        ]

    def loss(self, model: SequenceModel, index: int, generator: torch.Generator) -> Tensor:
        """Of the moment ``index``."""
        part, batch = self.parts[index], self.batches[index]
        targets = torch.from_numpy(part.targets)
        if model.target_aware:
            loss = pair_loss(model, batch, targets, part, generator)
        else:
            example = Example(batch=batch, targets=targets, active=part.active, features=part.features)
            loss = loss_of(model, example, generator)
        return loss if model.penalty is None else loss + model.penalty

    @torch.inference_mode()
    def quality(self, model: SequenceModel) -> float:
        """Mean share of its own negatives that a target beats, ties half: request-wise AUC."""
        model.eval()
        parts = zip(self.parts, self.batches, strict=True)
        return float(np.concatenate([group_auc(self._complete(self._pairs(model, *one))) for one in parts]).mean())

    @torch.inference_mode()
    def score(self, model: SequenceModel) -> Scores:
        """Score every position; models that do not read the candidate also rank the whole catalogue."""
        model.eval()
        theme = model.item_theme[1:]
        everything = torch.argsort(theme, stable=True) + 1
        slot = torch.full((len(theme) + 1,), -1)
        slot[everything] = torch.arange(len(theme))
        logits, ranks = [], []
        for part, batch in zip(self.parts, self.batches, strict=True):
            if model.target_aware:
                logits.append(self._pairs(model, part, batch))
                ranks.append(np.zeros(len(part.targets), np.int32))
                continue
            scores = model.score(model.encode(batch), everything, part.features[everything])
            scores = model.add_repeats(scores, batch, slot)
            pairs = self._candidates(part)
            level = scores.logsumexp(1, keepdim=True) + part.log_share[pairs.clamp(min=0)]
            chosen = scores.gather(1, slot[pairs.clamp(min=1)]) - level
            logits.append(chosen.masked_fill(pairs <= 0, torch.nan).numpy())
            own = scores.gather(1, slot[pairs[:, :1]])
            above = (scores > own).sum(1) + ((scores == own).sum(1) - 1) // 2
            ranks.append((above + 1).numpy().astype(np.int32))
        whole, m = np.concatenate(logits), self.parts[0].negatives.shape[1]
        return Scores(
            logits=whole[:, : 1 + m],
            themed=np.concatenate([whole[:, :1], whole[:, 1 + m :]], 1),
            ranks=np.concatenate(ranks),
        )

    def _candidates(self, part: Part) -> Tensor:
        """Target, negatives, same-theme negatives, int64 (B, 1 + 2m); -1 where one is missing."""
        return torch.from_numpy(np.concatenate([part.targets[:, None], part.negatives, part.themed], 1))

    def _pairs(self, model: SequenceModel, part: Part, batch: Batch) -> Floats:
        """Log p(x|u) - log q(x), up to a constant of the user, of all candidates."""
        pairs = self._candidates(part)
        asked = pairs.clamp(min=0)
        scores = model.score_pairs(batch, asked, part.features) - part.log_share[asked]
        logits: Floats = scores.masked_fill(pairs <= 0, torch.nan).numpy()
        return logits

    def _complete(self, logits: Floats) -> Floats:
        """Targets and negatives of the requests that have all of them."""
        own = logits[:, : 1 + self.parts[0].negatives.shape[1]]
        return own[np.isfinite(own).all(1)]


def pair_loss(model: SequenceModel, batch: Batch, targets: Tensor, part: Part, generator: torch.Generator) -> Tensor:
    """Cross-entropy of the target among popular negatives, plus the log loss that fixes the scores' level.

    Negatives are drawn by popularity q, so the score, which stands for log p(x|u), is corrected by log q(x).
    """
    drawn = torch.randint(0, len(part.pool), (len(targets), PAIRED), generator=generator)
    candidates = torch.cat([targets.unsqueeze(1), torch.from_numpy(part.pool)[drawn]], 1)
    logits = model.score_pairs(batch, candidates, part.features) - part.log_share[candidates]
    again = candidates[:, 1:] == targets.unsqueeze(1)
    logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(again, -30.0)], 1)
    label = torch.zeros_like(logits)
    label[:, 0] = 1.0
    level = F.binary_cross_entropy_with_logits(logits - np.log(PAIRED), label, reduction="sum") / len(targets)
    return F.cross_entropy(logits, torch.zeros(len(targets), dtype=torch.int64)) + level


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What came out of one fit.

    Attributes:
        scores: on test; validation: request-wise AUC there; rate: the learning rate chosen.
        passes: over the training positions; seconds: of fitting, seconds_scoring: of scoring the test positions.
        parameters: outside of the embeddings of items and categories.
    """

    scores: Scores
    validation: float | None
    rate: float
    passes: int
    seconds: float
    seconds_scoring: float
    parameters: int


def fit_cell(
    make: Callable[[], SequenceModel], trial: Trial, routing: Routing, *, config: FitConfig, rate: float, seed: int
) -> Cell:
    """Fit, stop by validation, score the test positions once."""
    started = time.monotonic()
    torch.manual_seed(seed)
    model = make()
    prepare(model, trial, routing)
    log = SequenceLog(trial.frame, trial.catalogue, routing.event_theme, routing.themes)
    train, validation = (Ready(parts, log, model.config) for parts in (trial.train, trial.validation))
    reached, passes = fit_ready(model, train, validation, config=config, rate=rate, seed=seed)
    seconds = time.monotonic() - started
    test = Ready(trial.test, log, model.config)
    started = time.monotonic()
    scores = test.score(model)
    return Cell(
        scores=scores,
        validation=reached,
        rate=rate,
        passes=passes,
        seconds=seconds,
        seconds_scoring=time.monotonic() - started,
        parameters=parameters(model),
    )


def fit_ready(
    model: SequenceModel, train: Ready, validation: Ready, *, config: FitConfig, rate: float, seed: int
) -> tuple[float, int]:
    """Fit within the budget; the best quality on validation, whose weights are kept, and the passes."""
    generator = torch.Generator().manual_seed(seed)
    return fit(
        model,
        len(train.parts),
        lambda index: train.loss(model, index, generator),
        lambda: validation.quality(model),
        seconds=config.seconds,
        epochs=config.epochs,
        patience=config.patience,
        rate=rate,
        seed=seed,
        on_progress=lambda part, words: None,
    )


def prepare(model: SequenceModel, trial: Trial, routing: Routing) -> None:
    """Tell the model what is known of the items."""
    model.set_catalogue(
        torch.from_numpy(trial.catalogue.item_category),
        torch.from_numpy(routing.item_theme),
        trial.known,
        routing.table if model.config.table else None,
    )


def parameters(model: SequenceModel) -> int:
    """Trained numbers outside of the embeddings of items and categories."""
    tables = {id(model.item.weight), id(model.category.weight)}
    return sum(weight.numel() for weight in model.parameters() if id(weight) not in tables)
