"""A routing table learned by contrast: the two halves of one session attract, those of two sessions repel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from mos_online.arrays import Floats32, Ints
from mos_online.errors import ModelError
from mos_online.themes.cooccurrence import TableConfig, session_members


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """How the contrastive routing table is learned.

    Attributes:
        temperature: tau, by which cosines are divided. A small one spreads items evenly over the sphere, and what is
            near is then the items' nearest neighbours, not their theme: on planted themes with 10 % noise the themes
            were found with NMI 0.57 at 0.15 and 0.97 at 1.
        batch: sessions that are told apart at once.
        steps: of Adam.
        rate: learning rate of the first step; falls to 0 in a straight line.
    """

    temperature: float = 1.0
    batch: int = 512
    steps: int = 1000
    rate: float = 0.1


def contrastive_table(
    events: pl.DataFrame, config: TableConfig, training: ContrastiveConfig | None = None
) -> tuple[list[str], Floats32]:
    """Learn routing vectors by telling the halves of sessions apart.

    A session's distinct items are dealt at random into two halves, anew at every step; z is the unit mean of a half's
    unit item vectors, and L = - mean log softmax_j <z_{s, half 1}, z_{j, half 2}> / tau, over the sessions j of the
    batch, averaged with the same from half 2 to half 1: InfoNCE (van den Oord et al. 2018) with in-batch negatives.

    Negatives come as often as their items do, so what the score tends to is log p(half 2 | half 1) / p(half 2),
    pointwise mutual information, as in ``routing_table``: popularity is divided out already, and a logQ correction
    would put it back. A batch is drawn from one slice of ``config.slice_sessions`` consecutive sessions, so that items
    do not attract each other for living on the same day.

    Args:
        events: columns session_id, item_id (str), one row per event, ascending in time.
        config: as for ``routing_table``; ``seed`` is of the first vectors, the batches and the halves.
        training: sizes of the training.

    Returns:
        Item ids, sorted, and their unit rows, float32 (items, dimensions). The same input gives the same rows on one
        machine.

    Raises:
        ModelError: too few items share sessions, or fewer than two sessions hold two of them.
    """
    training = training or ContrastiveConfig()
    names, rows, session = session_members(events, config)
    several = np.bincount(session)[session] > 1
    kept, rows = np.unique(rows[several], return_inverse=True)
    _, sizes = np.unique(session[several], return_counts=True)
    if len(sizes) < 2:
        raise ModelError(
            f"{len(sizes)} sessions hold two or more items that are each in {config.min_sessions} or more sessions; a "
            f"contrast needs 2 sessions: train on a longer log or with a smaller min_sessions"
        )
    rng = np.random.default_rng(config.seed)
    vectors = torch.from_numpy(rng.standard_normal((len(kept), config.dimensions)).astype(np.float32))
    table = _learn(vectors.requires_grad_(), rows.astype(np.int64), sizes, config, training, rng)
    return [names[item] for item in kept], functional.normalize(table, dim=1).numpy()


def _learn(
    vectors: Tensor, rows: Ints, sizes: Ints, config: TableConfig, training: ContrastiveConfig, rng: np.random.Generator
) -> Tensor:
    """The item vectors after training, float32 (items, d_r)."""
    starts = np.cumsum(sizes) - sizes
    optimizer = torch.optim.Adam([vectors], lr=training.rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, training.steps)
    batches = _batches(len(sizes), training.batch, max(1, round(len(sizes) / config.slice_sessions)), rng)
    for _, batch in zip(range(training.steps), batches, strict=False):
        items, half = _halves(rows, starts[batch], sizes[batch], rng)
        means = _unit_means(vectors, torch.from_numpy(items), torch.from_numpy(half), 2 * len(batch))
        scores = means[0::2] @ means[1::2].T / training.temperature
        same = torch.arange(len(batch))
        loss = functional.cross_entropy(scores, same) + functional.cross_entropy(scores.T, same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return vectors.detach()


def _batches(sessions: int, size: int, slices: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Batches without end, each of sessions of one slice; all sessions come up before any does again."""
    while True:
        parts: list[Ints] = []
        for part in np.array_split(np.arange(sessions), slices):
            parts += np.array_split(rng.permutation(part), -(-len(part) // size))
        for at in rng.permutation(len(parts)):
            yield parts[at]


def _halves(rows: Ints, starts: Ints, sizes: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Deal the items of each session of a batch into two halves of sizes that differ by one at most.

    Returns:
        Of each item its row, and the half it belongs to: 2 s or 2 s + 1 for session s of the batch.
    """
    session = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(session)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    items = rows[np.repeat(starts, sizes) + within]
    dealt = np.lexsort((rng.random(len(session)), session))
    return items[dealt], 2 * session + within % 2


def _unit_means(vectors: Tensor, items: Tensor, group: Tensor, groups: int) -> Tensor:
    """Unit mean of the unit vectors of each group's items, (groups, d_r)."""
    chosen = functional.normalize(functional.embedding(items, vectors), dim=1)
    sums = torch.zeros(groups, vectors.shape[1]).index_add(0, group, chosen)
    return functional.normalize(sums, dim=1)
