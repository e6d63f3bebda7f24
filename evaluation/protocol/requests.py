"""Requests of a log: who is asked for, what was popular just before, and which items compete with the target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from torch import Tensor, from_numpy

from evaluation.protocol.negatives import popular_negatives, themed_negatives
from mos_online.arrays import Ints
from mos_online.errors import DatasetError
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.moments import Moment, moments
from mos_online.training.past_neighbours import CoClickRules, with_neighbours


@dataclass(frozen=True, kw_only=True)
class RequestBatch:
    """Requests of a short span of time. The target of a request is the item clicked next.

    Attributes:
        moments: their positions, and what is known of the items at each.
        positions: int64 (B,), in the log; targets: int64 (B,), item rows.
        pool: int64 (p,), item rows of the trailing clicks, by which negatives are drawn.
        log_share: float32 (items + 1,), log of each item's share of the pool.
        negatives, themed: int64 (B, m), fixed; of training requests empty (B, 0).
    """

    moments: list[Moment]
    positions: Ints
    targets: Ints
    pool: Ints
    log_share: Tensor
    negatives: Ints
    themed: Ints


def beside_neighbours(
    requests: list[RequestBatch], log: ClickLog, catalogue: Catalogue, rules: CoClickRules
) -> list[RequestBatch]:
    """The same requests, in order of time, with what their users' last clicks go with, counted in one walk."""
    walk = with_neighbours((one for batch in requests for one in batch.moments), log, catalogue, rules)
    return [replace(batch, moments=list(islice(walk, len(batch.moments)))) for batch in requests]


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
        size: positions of one batch. To learn from, a batch is a moment.
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

    def batches(self, positions: Ints, *, fresh: int | None) -> list[RequestBatch]:
        """Requests at positions (p,) in order of time.

        Args:
            positions: of the log.
            fresh: positions that share one view of what is popular, to judge by, with negatives; None: to learn from.

        Raises:
            DatasetError: there is nothing before the first position, or the positions are in another order.
        """
        rng = np.random.default_rng([self.seed, len(positions)])
        order = self.log.order
        items, times = self.item_rows[order], self.log.times[order]
        size = self.size if fresh is None else fresh
        made: list[RequestBatch] = []
        together: list[Moment] = []
        for moment in moments(self.log, self.catalogue, positions, size=size, half_life_ms=self.half_life_ms):
            together.append(moment)
            done = sum(len(one.positions) for one in made) + sum(len(one.positions) for one in together)
            if done < len(positions) and len(together) * size < self.size:
                continue
            begin, since = together[0].clicks_before, 0
            if self.trailing_ms is not None:
                since = int(np.searchsorted(times, times[begin] - self.trailing_ms))
            made.append(self._batch(together, items[since:begin], rng, fixed=fresh is not None))
            together = []
        return made

    def _batch(self, together: list[Moment], pool: Ints, rng: np.random.Generator, *, fixed: bool) -> RequestBatch:
        if not len(pool):
            raise DatasetError("no clicks before the first position: nothing to draw negatives from")
        positions = np.concatenate([one.positions for one in together])
        targets = self.item_rows[positions]
        rows, count = len(self.item_theme), self.negatives if fixed else 0
        shares = (np.bincount(pool, minlength=rows) + 0.5) / (len(pool) + 0.5 * rows)
        return RequestBatch(
            moments=together,
            positions=positions,
            targets=targets,
            pool=pool,
            log_share=from_numpy(np.log(shares).astype(np.float32)),
            negatives=popular_negatives(pool, targets, count, rng),
            themed=themed_negatives(pool, self.item_theme, targets, count, rng),
        )
