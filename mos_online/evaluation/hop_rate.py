"""How often users change the theme from one session to the next, and how often they would in any other order."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from mos_online.evaluation.bootstrap import Comparison, interval_of_sums

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SHUFFLES = 20
DRAWS = 999
"""Of users, for the interval."""


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
        by_time: what shuffled becomes if only the moment counts: sessions near in time may be alike whosever they are,
            because the catalogue has moved on (yesterday's news). Each session's theme is compared with that of the
            *stranger* next to the user's other session in time; strangers who agree more often in order than shuffled
            lower the rate to be expected by as much: 1 - by_time = (1 - shuffled) (1 - strangers) / (1 - strangers
            shuffled), exact if a theme is a topic in a period and users choose topics without regard to the period.
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
        users: (n,), whose session it is; a user's sessions in one piece and in order of time, two or more of one.
        themes: (n,), 1..K.
        times: (n,), when it began.
        seed: of the shuffles and of the interval.

    >>> hops, _ = hop_rate(np.array(["u", "u", "u", "v", "v"]), np.array([1, 2, 1, 3, 3]), np.arange(5))
    >>> round(hops.rate, 3), hops.returns, hops.pairs
    (0.667, 0.5, 3)
    """
    names, codes = np.unique(users.astype(str), return_inverse=True)
    pair = codes[1:] == codes[:-1]
    whose = codes[1:][pair]
    stranger = themes[nearest_stranger(codes, times)]
    hopped = (themes[1:] != themes[:-1])[pair].astype(np.float64)
    apart = (stranger[1:] != themes[:-1])[pair].astype(np.float64)
    rng = np.random.default_rng(seed)
    blocks = np.cumsum(np.diff(codes, prepend=codes[0]) != 0)
    shuffled, strangers = np.empty((SHUFFLES, len(hopped))), np.zeros(len(hopped))
    for row in shuffled:
        order = np.lexsort((rng.random(len(themes)), blocks))
        before, after = order[:-1], order[1:]
        row[:] = (themes[after] != themes[before])[pair]
        strangers += (stranger[after] != themes[before])[pair] / SHUFFLES
    control = shuffled.mean(axis=0)
    columns = [np.ones_like(hopped), hopped, control, apart, strangers]
    means = np.stack(columns, 1).mean(axis=0)
    first_visits = len(np.unique(np.stack([codes, themes], axis=1), axis=0)) - len(names)
    hops = Hops(
        rate=float(hopped.mean()),
        shuffled=float(control.mean()),
        shuffled_sd=float(shuffled.mean(axis=1).std(ddof=1)),
        returns=1 - first_visits / max(1.0, float(hopped.sum())),
        returns_shuffled=1 - first_visits / max(1.0, float(control.sum())),
        pairs=len(hopped),
        users=len(np.unique(whose)),
        difference=interval_of_sums(columns, whose, _against_shuffled, DRAWS, seed),
        by_time=float(means[1] - _beyond_time(means)),
        beyond_time=interval_of_sums(columns, whose, _beyond_time, DRAWS, seed),
    )
    by_pair = pl.DataFrame({"user_id": names[whose], "rate": hopped, "shuffled": control})
    return hops, by_pair.group_by("user_id", maintain_order=True).agg(pl.len().alias("pairs"), pl.all().mean())


def nearest_stranger(users: Ints, times: Ints) -> Ints:
    """For each of n sessions the one of another user that began nearest in time, the earlier of two; int64 (n,).

    Args:
        users: (n,), numbers; of two or more users.
        times: (n,).

    >>> nearest_stranger(np.array([0, 0, 0, 1]), np.array([10, 20, 30, 21])).tolist()
    [3, 3, 3, 1]
    """
    order = np.argsort(times, kind="stable")
    user, time = users[order], times[order].astype(np.float64)
    starts = np.flatnonzero(np.diff(user, prepend=user[0] - 1))
    run = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(user)))
    before, after = starts[run] - 1, np.append(starts[1:], len(user))[run]
    back = np.where(before >= 0, time - time[before], np.inf)
    ahead = np.where(after < len(user), time[np.minimum(after, len(user) - 1)] - time, np.inf)
    nearest = np.empty(len(users), np.int64)
    nearest[order] = order[np.where(back <= ahead, before, after)]
    return nearest


def _against_shuffled(sums: Floats) -> Floats:
    """Sums (..., 5) of 1, hopped, shuffled and strangers' two -> rate minus shuffled (...)."""
    return np.asarray((sums[..., 1] - sums[..., 2]) / sums[..., 0], np.float64)


def _beyond_time(sums: Floats) -> Floats:
    """Likewise -> rate minus by_time (...)."""
    count, hopped, control, apart, strangers = np.moveaxis(sums, -1, 0)
    agree, by_chance = count - apart, count - strangers
    alike = np.where(by_chance > 0, agree / np.where(by_chance > 0, by_chance, 1.0), 1.0)
    expected = 1 - (1 - control / count) * alike
    return np.asarray(hopped / count - expected, np.float64)
