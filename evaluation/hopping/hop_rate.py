"""How often users change the theme from one session to the next, and how often they would in any other order."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.hopping.by_time import OTHERS, agreement, beyond_time, by_group, nearest_of_others, timeline_groups
from mos_online.arrays import Ints
from mos_online.metrics.bootstrap import Comparison, interval_of_sums, paired_bootstrap

SHUFFLES = 20
DRAWS = 999
"""Bootstrap draws of users, for the interval."""


class Hops(msgspec.Struct, frozen=True, kw_only=True):
    """How often consecutive sessions of a user have different themes; sessions without a theme are left out.

    Attributes:
        rate: share of them that do; shuffled, shuffled_sd: mean and standard deviation of the same over ``SHUFFLES``
            random orders of each user's sessions.
        returns: share of the hops that go to a theme which the user had before. Each theme but a user's first is
            reached for the first time by one hop in any order, so (1 - returns) * rate never changes: returns tell
            how few new themes there are, and nothing about order that the rate does not.
        returns_shuffled: the same at the shuffled rate.
        pairs, users: how many consecutive sessions of how many users.
        difference: rate minus shuffled; its interval comes from drawing users.
        by_time: the rate to be expected if only the moment counts, because the catalogue or the fashion moves on
            (yesterday's news); see ``evaluation.hopping.by_time.beyond_time``.
        beyond_time: rate minus by_time: what order tells of the user.
    """

    rate: float
    shuffled: float
    shuffled_sd: float
    returns: float
    returns_shuffled: float
    pairs: int
    users: int
    difference: Comparison
    by_time: float
    beyond_time: Comparison


def hop_rate(users: NDArray[np.str_], themes: Ints, times: Ints, seed: int = 0) -> tuple[Hops, pl.DataFrame]:
    """The hop rate of routed sessions, and that of each user.

    Args:
        users: (n,), whose session it is, of two or more; a user's sessions in one piece and in order of time.
        themes: (n,), 1..K.
        times: (n,), when it began.
        seed: of the shuffles and of the interval.

    Raises:
        DatasetError: there is one user only.

    >>> hops, _ = hop_rate(np.array(["u", "u", "u", "v", "v"]), np.array([1, 2, 1, 3, 3]), np.arange(5))
    >>> round(hops.rate, 3), hops.returns, hops.pairs
    (0.667, 0.5, 3)
    """
    names, codes = np.unique(users.astype(str), return_inverse=True)
    pair = np.flatnonzero(codes[1:] == codes[:-1])
    whose = codes[pair]
    others = nearest_of_others(codes, times, OTHERS)
    hopped = (themes[pair + 1] != themes[pair]).astype(np.float64)
    agree = agreement(themes, pair, others[pair + 1])
    rng = np.random.default_rng(seed)
    blocks = np.cumsum(np.diff(codes, prepend=codes[0]) != 0)
    shuffled, by_chance = np.empty((SHUFFLES, len(pair))), np.zeros(len(pair))
    for row in shuffled:
        order = np.lexsort((rng.random(len(themes)), blocks))
        row[:] = themes[order[pair + 1]] != themes[order[pair]]
        by_chance += agreement(themes, order[pair], others[order[pair + 1]]) / SHUFFLES
    control = shuffled.mean(axis=0)
    columns = by_group(timeline_groups(codes, times)[pair], np.ones_like(hopped), hopped, control, agree, by_chance)
    beyond = interval_of_sums(columns, whose, beyond_time, DRAWS, seed)
    first_visits = len(np.unique(np.stack([codes, themes], axis=1), axis=0)) - len(names)
    hops = Hops(
        rate=float(hopped.mean()),
        shuffled=float(control.mean()),
        shuffled_sd=float(shuffled.mean(axis=1).std(ddof=1)),
        returns=1 - first_visits / max(1.0, float(hopped.sum())),
        returns_shuffled=1 - first_visits / max(1.0, float(control.sum())),
        pairs=len(hopped),
        users=len(np.unique(whose)),
        difference=paired_bootstrap(hopped, control, whose, DRAWS, seed),
        by_time=float(hopped.mean()) - beyond.mean,
        beyond_time=beyond,
    )
    by_pair = pl.DataFrame({"user_id": names[whose], "rate": hopped, "shuffled": control})
    return hops, by_pair.group_by("user_id", maintain_order=True).agg(pl.len().alias("pairs"), pl.all().mean())
