"""Moments of a log: positions with what was popular just before them, and their negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from evaluation.protocol.negatives import popular_negatives, themed_negatives
from mos_online.contracts import Click
from mos_online.errors import DatasetError
from mos_online.items.popularity import ACTIVE_LISTED, ItemPopularity
from mos_online.model.realtime import realtime_table

Ints = NDArray[np.int64]

WARM = 300_000
"""So many clicks before the first position teach what is popular."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Positions of one moment and what is known at its start.

    Attributes:
        positions: int64 (B,), in the log; targets: int64 (B,), item rows.
        active, features: see ``realtime_table``.
        pool: int64 (p,), item rows of the trailing clicks, by which negatives are drawn.
        log_share: float32 (items + 1,), log of each item's share of the pool.
        negatives, themed: int64 (B, m), fixed; of training parts empty (B, 0).
    """

    positions: Ints
    targets: Ints
    active: Tensor
    features: Tensor
    pool: Ints
    log_share: Tensor
    negatives: Ints
    themed: Ints


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Walks through a log and stops before each moment.

    Attributes:
        order: int64 (n,), positions of the log in order of time; clicks: the same, as they came.
        items, times: of ``order``.
        catalogue: names of the item rows 1, 2, ...
        item_theme: int64 (items + 1,), by which same-theme negatives are drawn.
        half_life: of item popularity (ms).
        negatives, size: m per positive; positions of one moment.
        trailing: ms of clicks before a moment from which negatives are drawn; None: all.
        seed: of the negatives.
    """

    order: Ints
    clicks: Sequence[Click]
    items: Ints
    times: Ints
    catalogue: Sequence[str]
    item_theme: Ints
    half_life: float
    negatives: int
    size: int
    trailing: int | None
    seed: int

    def parts(self, positions: Ints, known: Tensor, *, fixed: bool) -> list[Part]:
        """Moments of positions (p,) in order of time.

        Args:
            positions: of the log.
            known: float32 (items + 1,), 1 for items that the model has rows for.
            fixed: whether to draw negatives: to judge by, not to learn from.

        Raises:
            DatasetError: there is nothing before the first position.
        """
        popularity = ItemPopularity(half_life_ms=self.half_life, partition=-1)
        rows = {item: row for row, item in enumerate(self.catalogue, 1)}
        rank = np.empty(len(self.order), np.int64)
        rank[self.order] = np.arange(len(self.order))
        rng = np.random.default_rng([self.seed, len(positions)])
        made, done = [], max(0, int(rank[positions[0]]) - WARM)
        for chosen in np.split(positions, np.arange(self.size, len(positions), self.size)):
            begin = int(rank[chosen].min())
            for click in self.clicks[done:begin]:
                popularity.observe(click)
            done = max(done, begin)
            active, features = realtime_table(popularity.snapshot(top=ACTIVE_LISTED), rows, known)
            since = 0
            if self.trailing is not None:
                since = int(np.searchsorted(self.times, self.times[begin] - self.trailing))
            pool, targets = self.items[since:begin], self.items[rank[chosen]]
            made.append(self._part(chosen, targets, active, features, pool, rng, fixed=fixed))
        return made

    def _part(
        self,
        chosen: Ints,
        targets: Ints,
        active: Tensor,
        features: Tensor,
        pool: Ints,
        rng: np.random.Generator,
        *,
        fixed: bool,
    ) -> Part:
        if not len(pool):
            raise DatasetError("no clicks before the first position: nothing to draw negatives from")
        rows, count = len(self.item_theme), self.negatives if fixed else 0
        shares = (np.bincount(pool, minlength=rows) + 0.5) / (len(pool) + 0.5 * rows)
        return Part(
            positions=chosen,
            targets=targets,
            active=active,
            features=features,
            pool=pool,
            log_share=from_numpy(np.log(shares).astype(np.float32)),
            negatives=popular_negatives(pool, targets, count, rng),
            themed=themed_negatives(pool, self.item_theme, targets, count, rng),
        )
