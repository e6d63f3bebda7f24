"""How alike the events of a user are: inside a session, across its border, and at random."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import scipy.sparse as sp

from mos_online.arrays import Floats, Ints
from mos_online.errors import DatasetError
from mos_online.metrics.ranking import Estimate

DRAWS = 1000
"""Bootstrap draws of users, for an interval."""


class Similarity(msgspec.Struct, frozen=True, kw_only=True):
    """How alike two events of a user are; pairs of the same item are left out.

    Attributes:
        inside: mean of consecutive events of one session; across: of a session's last event and the next one's first.
        random: mean of two random events of a user, users weighted by their events minus one.
        inside_pairs, across_pairs: how many.
        difference: inside minus across; its interval comes from drawing users.
    """

    inside: float
    across: float
    random: float
    inside_pairs: int
    across_pairs: int
    difference: Estimate


def similarity(events: pl.DataFrame, rows: sp.csr_matrix, seed: int = 0) -> Similarity:
    """Mean inner products of events of a user, over the users with two or more sessions.

    Args:
        events: columns user_id, session_id, item_id, sorted by user and time.
        rows: unit vector of each event's item, (n, d); events without one have a row of zeros and are left out.
        seed: of the interval.

    Raises:
        DatasetError: no pair inside a session, or none across sessions.
    """
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    several = events.select(pl.col("session_id").n_unique().over("user_id") > 1).to_series().to_numpy()
    kept = np.flatnonzero((lengths > 0) & several)
    rows = sp.diags(1 / lengths[kept]) @ rows[kept]
    part = events[kept]
    user, session = (part[name].rle_id().to_numpy().astype(np.int64) for name in ("user_id", "session_id"))
    item = part["item_id"].rank("dense").to_numpy().astype(np.int64)
    at = np.flatnonzero((user[1:] == user[:-1]) & (item[1:] != item[:-1]))
    alike = np.asarray(rows[at].multiply(rows[at + 1]).sum(axis=1)).ravel()
    inside = session[at] == session[at + 1]
    count = int(user[-1]) + 1 if len(user) else 0
    sums: Floats = np.stack(
        [
            np.bincount(user[at], weights, count)
            for weights in (alike * inside, inside * 1.0, alike * ~inside, ~inside * 1.0)
        ],
        axis=1,
    )
    total = sums.sum(axis=0)
    if not (total[1] and total[3]):
        raise DatasetError(
            f"the log is too short: {count} measured users with two sessions have {int(total[1])} pairs of different "
            f"items inside sessions and {int(total[3])} across sessions, both are needed; take a longer log"
        )
    return Similarity(
        inside=float(total[0] / total[1]),
        across=float(total[2] / total[3]),
        random=_random_pairs(user, item, rows, count),
        inside_pairs=int(total[1]),
        across_pairs=int(total[3]),
        difference=_interval(sums, seed),
    )


def _random_pairs(user: Ints, item: Ints, rows: sp.csr_matrix, count: int) -> float:
    """Mean over all pairs of events of a user with different items, without listing them."""
    size = np.bincount(user, minlength=count).astype(np.float64)
    owner = sp.csr_matrix((np.ones(len(user)), (user, np.arange(len(user)))), shape=(count, len(user)))
    sums = owner @ rows
    squares = np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
    pairs, repeats = np.unique(np.stack([user, item], axis=1), axis=0, return_counts=True)
    same = np.bincount(pairs[:, 0], repeats.astype(np.float64) ** 2, count)
    varied = size**2 > same
    means = (squares - same)[varied] / (size**2 - same)[varied]
    return float(np.average(means, weights=size[varied] - 1))


def _interval(sums: Floats, seed: int) -> Estimate:
    """Ratio of columns 0 and 1 minus that of columns 2 and 3 of ``sums`` (users, 4); users are drawn."""
    rng, users = np.random.default_rng(seed), len(sums)
    drawn = np.stack([np.bincount(rng.integers(users, size=users), minlength=users) @ sums for _ in range(DRAWS)])
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3], [0.025, 0.975])
    total = sums.sum(axis=0)
    return Estimate(mean=float(total[0] / total[1] - total[2] / total[3]), low=float(low), high=float(high))
