"""Requests of a log: who is asked for, what was popular just before, and which items compete with the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, from_numpy

from evaluation.protocol.negatives import popular_negatives, themed_negatives
from mos_online.arrays import Ints
from mos_online.errors import DatasetError
from mos_online.model.realtime import realtime_table
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.moments import moments


@dataclass(frozen=True, kw_only=True)
class RequestBatch:
    """Requests of one moment, and what is known at its start. The target of a request is the item clicked next.

    Attributes:
        positions: int64 (B,), in the log; targets: int64 (B,), item rows.
        active, features: see ``realtime_table``.
        pool: int64 (p,), item rows of the trailing clicks, by which negatives are drawn.
        log_share: float32 (items + 1,), log of each item's share of the pool.
        negatives, themed: int64 (B, m), fixed; of training requests empty (B, 0).
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
class RequestSampler:
    """Walks through a log, stops before each moment and draws negatives.

    Attributes:
        log: the clicks.
        item_rows: int64 (n,), the item row of each position.
        catalogue: the item rows.
        item_theme: int64 (items + 1,), by which same-theme negatives are drawn.
        half_life_ms: of item popularity.
        negatives: m, per target.
        size: positions of one moment.
        trailing_ms: how far back the clicks go from which negatives are drawn; None: all the way.
        seed: of the negatives.
    """

    log: ClickLog
    item_rows: Ints
    catalogue: Catalogue
    item_theme: Ints
    half_life_ms: float
    negatives: int
    size: int
    trailing_ms: int | None
    seed: int

    def batches(self, positions: Ints, known: Tensor, *, fixed: bool) -> list[RequestBatch]:
        """Requests at positions (p,) in order of time.

        Args:
            positions: of the log.
            known: float32 (items + 1,), 1 for items that the model has rows for.
            fixed: whether to draw negatives: to judge by, not to learn from.

        Raises:
            DatasetError: there is nothing before the first position.
        """
        rng = np.random.default_rng([self.seed, len(positions)])
        order = self.log.order
        items, times = self.item_rows[order], self.log.times[order]
        made = []
        for moment in moments(self.log, positions, size=self.size, half_life_ms=self.half_life_ms):
            active, features = realtime_table(moment.popularity, self.catalogue.rows, known)
            begin, since = moment.clicks_before, 0
            if self.trailing_ms is not None:
                since = int(np.searchsorted(times, times[begin] - self.trailing_ms))
            made.append(self._batch(moment.positions, active, features, items[since:begin], rng, fixed=fixed))
        return made

    def _batch(
        self, positions: Ints, active: Tensor, features: Tensor, pool: Ints, rng: np.random.Generator, *, fixed: bool
    ) -> RequestBatch:
        if not len(pool):
            raise DatasetError("no clicks before the first position: nothing to draw negatives from")
        targets = self.item_rows[positions]
        rows, count = len(self.item_theme), self.negatives if fixed else 0
        shares = (np.bincount(pool, minlength=rows) + 0.5) / (len(pool) + 0.5 * rows)
        return RequestBatch(
            positions=positions,
            targets=targets,
            active=active,
            features=features,
            pool=pool,
            log_share=from_numpy(np.log(shares).astype(np.float32)),
            negatives=popular_negatives(pool, targets, count, rng),
            themed=themed_negatives(pool, self.item_theme, targets, count, rng),
        )
