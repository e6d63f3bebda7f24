"""Fitting a MoS to moments of a log, and measuring it on later ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.metrics import hit_rate, ndcg
from mos_online.model.batch import Batch
from mos_online.model.realtime import realtime_table
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.log import SequenceLog
from mos_online.training.moments import Moment

WHOLE = 6000
"""A catalogue up to this size is scored whole in training; of a larger one the idle items are sampled."""

SAMPLED = 1500


@dataclass(frozen=True, kw_only=True)
class Example:
    """One moment, ready for the model.

    Attributes:
        batch: the users; targets: int64 (B,), rows of the items they clicked next.
        active: int64 (a,), rows of the active items; features: float32 (items + 1, REALTIME_FEATURES).
    """

    batch: Batch
    targets: Tensor
    active: Tensor
    features: Tensor


def examples(log: SequenceLog, parts: Sequence[Moment], model: SequenceModel, rows: Mapping[str, int]) -> list[Example]:
    """What the model reads at these moments; ``rows``: item -> row."""
    config = model.config
    made = []
    for part in parts:
        batch = log.batch(part.targets, recent=config.recent, ring=config.theme_ring)
        active, features = realtime_table(part.popularity, rows, model.item_known)
        targets = torch.from_numpy(log.items[part.targets])
        made.append(Example(batch=batch, targets=targets, active=active, features=features))
    return made


def _candidates(example: Example, items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows to compete with the targets, and log weights by which sampled ones stand for the rest."""
    if items <= WHOLE:
        return torch.arange(1, items + 1), torch.zeros(items)
    sure = torch.unique(torch.cat([example.active, example.targets[example.targets > 0]]))
    drawn = torch.randint(1, items + 1, (SAMPLED,), generator=generator)
    drawn = drawn[~torch.isin(drawn, sure)].unique()
    stands_for = (items - len(sure)) / max(len(drawn), 1)
    weights = torch.cat([torch.zeros(len(sure)), torch.full((len(drawn),), float(np.log(max(stands_for, 1.0))))])
    return torch.cat([sure, drawn]), weights


def loss_of(model: SequenceModel, example: Example, generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of the targets among the candidates; targets without a row do not count."""
    candidates, weights = _candidates(example, model.config.items, generator)
    slot = torch.full((model.config.items + 1,), -1)
    slot[candidates] = torch.arange(len(candidates))
    users = model.encode(example.batch)
    scores = model.score(users, candidates, example.features[candidates])
    scores = model.add_repeats(scores, example.batch, slot) + weights
    kept = example.targets > 0
    return F.cross_entropy(scores[kept], slot[example.targets[kept]])


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Full-ranking quality at 10: means over all positions; a target without a row counts as missed."""

    hit_rate: float
    ndcg: float
    positions: int


@torch.inference_mode()
def measure(model: SequenceModel, data: Sequence[Example]) -> Quality:
    """Rank the whole catalogue for every position."""
    model.eval()
    everything = torch.arange(1, model.config.items + 1)
    slot = torch.cat([torch.tensor([-1]), torch.arange(model.config.items)])
    hits, gains, count = 0.0, 0.0, 0
    for example in data:
        users = model.encode(example.batch)
        scores = model.score(users, everything, example.features[1:])
        scores = model.add_repeats(scores, example.batch, slot)
        top = (scores.topk(min(10, scores.shape[1])).indices + 1).tolist()
        for ranking, target in zip(top, example.targets.tolist(), strict=True):
            hits += hit_rate(ranking, target)
            gains += ndcg(ranking, target)
            count += 1
    return Quality(hit_rate=hits / max(count, 1), ndcg=gains / max(count, 1), positions=count)


def fit(
    model: SequenceModel,
    steps: int,
    loss: Callable[[int], Tensor],
    quality: Callable[[], float],
    *,
    seconds: float,
    epochs: int,
    patience: int,
    rate: float,
    seed: int,
    on_progress: Callable[[float, str], None],
) -> tuple[float, int]:
    """Adam with early stopping; leaves the best weights in the model.

    Args:
        model: changed in place.
        steps: of a pass; each takes one moment, in random order.
        loss: of a moment (0..steps - 1).
        quality: of the model as it is, on moments later than any of those; higher is better.
        seconds: time budget; the pass in hand is cut short.
        epochs, patience: at most so many passes, and so many without a better one.
        rate: learning rate; falls to a tenth over the budget.
        seed: of the order.
        on_progress: gets the share done (0..1) and a line of words.

    Returns:
        The best quality and the number of passes.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.eval()
    best = quality()
    started = time.monotonic()
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    worse = done = 0
    for epoch in range(epochs):
        order = torch.randperm(steps, generator=generator).tolist()
        for step, index in enumerate(order):
            model.train()
            spent = (time.monotonic() - started) / seconds
            part = max(spent, (epoch + step / steps) / epochs)
            if spent >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - 0.9 * min(part, 1.0))
            optimizer.zero_grad()
            lost = loss(index)
            lost.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            on_progress(min(part, 1.0), f"pass {epoch + 1}, loss {lost.item():.2f}, best {best:.4f}")
        done = epoch + 1
        model.eval()
        reached = quality()
        if reached > best:
            best, worse = reached, 0
            kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        else:
            worse += 1
        if worse >= patience or time.monotonic() - started >= seconds:
            break
    model.load_state_dict(kept)
    model.eval()
    on_progress(1.0, f"best {best:.4f} after {done} passes")
    return best, done


def refresh(model: SequenceModel, newest: Sequence[Example], *, rate: float, seed: int) -> None:
    """One pass in order of time over the newest moments, so that the model in service has seen them too."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    for example in newest:
        optimizer.zero_grad()
        loss_of(model, example, generator).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    model.eval()
