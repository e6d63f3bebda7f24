"""What the moment alone tells of a user's next theme: sessions near in time may be alike whosever they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mos_online.errors import DatasetError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

STRANGERS = 5
"""Per session: one alone is mostly noise, many reach too far in time."""

LIVES = 10
"""Groups of users by the length of their lives, each with a correction of its own; if a group has ``LIFE_USERS``."""

LIFE_USERS = 20

COLUMNS = 5
"""Per group: 1, hopped, hopped when shuffled, strangers agree, strangers agree when shuffled."""


def nearest_strangers(users: Ints, times: Ints, count: int) -> Ints:
    """For each of n sessions those of other users that began nearest in time, nearest first; int64 (n, count).

    Where there are fewer than ``count``, the rest is -1; of two equally near ones, the earlier.

    Args:
        users: (n,), numbers; of two or more users.
        times: (n,).

    Raises:
        DatasetError: all sessions are one user's.

    >>> nearest_strangers(np.array([0, 0, 0, 1]), np.array([10, 20, 30, 21]), 1).tolist()
    [[3], [3], [3], [1]]
    """
    if len(np.unique(users)) < 2:
        raise DatasetError("one user has no strangers: give sessions of two users or more")
    order = np.argsort(times, kind="stable")
    user, time = users[order], times[order].astype(np.float64)
    changes = np.flatnonzero(np.diff(user, prepend=user[0] - 1))
    run = np.repeat(np.arange(len(changes)), np.diff(changes, append=len(user)))
    first, last = changes[run], np.append(changes[1:], len(user))[run] - 1
    found = []
    for step, edge in ((-1, first), (1, last)):
        at = np.arange(len(user))
        for _ in range(count):
            at = _stranger_beyond(at, step, edge, user)
            found.append(at)
    places = np.stack(found, 1)
    inside = (places >= 0) & (places < len(user))
    places = places.clip(0, len(user) - 1)
    distance = np.where(inside, np.abs(time[places] - time[:, None]), np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    chosen = order[np.take_along_axis(places, nearest, 1)]
    chosen[np.isinf(np.take_along_axis(distance, nearest, 1))] = -1
    strangers = np.empty_like(chosen)
    strangers[order] = chosen
    return strangers


def _stranger_beyond(at: Ints, step: int, edge: Ints, user: Ints) -> Ints:
    """The next place in a direction that is not the user's own; a run of the user's own sessions is jumped over."""
    size = len(user)
    following = at + step
    inside = (following >= 0) & (following < size)
    here = following.clip(0, size - 1)
    own = inside & (user[here] == user)
    return np.where(own, edge[here] + step, following)


def agreement(themes: Ints, before: Ints, strangers: Ints) -> Floats:
    """Share of the strangers (p, count), session numbers or -1, whose theme is that of ``before`` (p,); (p,)."""
    there = strangers >= 0
    same = (themes[strangers] == themes[before][:, None]) & there
    return np.asarray(same.sum(1) / there.sum(1).clip(min=1), np.float64)


def life_groups(users: Ints, times: Ints) -> Ints:
    """Group 0.. of each session, by the time from its user's first to last; int64 (n,). ``users``: numbers from 0."""
    first, last = np.full(users.max() + 1, np.inf), np.full(users.max() + 1, -np.inf)
    np.minimum.at(first, users, times)
    np.maximum.at(last, users, times)
    groups = max(1, min(LIVES, len(np.unique(users)) // LIFE_USERS))
    life = last - first
    edges = np.quantile(life[np.unique(users)], np.arange(1, groups) / groups)
    return np.searchsorted(edges, life, side="right").astype(np.int64)[users]


def by_group(groups: Ints, *columns: Floats) -> list[Floats]:
    """The ``COLUMNS``, each (p,), once per group with zeros elsewhere: their sums are what ``beyond_time`` takes."""
    return [np.where(groups == group, column, 0.0) for group in range(groups.max(initial=0) + 1) for column in columns]


def beyond_time(sums: Floats) -> Floats:
    """Hop rate minus the one to be expected by time, from sums (..., groups * COLUMNS); (...).

    Sessions in one order agree more often than in another because their moments lie closer. How much more, strangers
    tell, in two ways. If a theme is a topic of a period, users agree with themselves by a *factor* of what strangers
    do, as they are truer to a topic than strangers to each other. If users follow a fashion in some of their sessions,
    the fashion's share is *added*. What a user's order tells is what neither explains: the smaller of the two
    differences, none if they have different signs.
    """
    parts = sums.reshape(*sums.shape[:-1], -1, COLUMNS)
    count, hopped, shuffled, agree, by_chance = np.moveaxis(parts, -1, 0)
    stays = count - shuffled
    factor = np.where(by_chance > 0, agree / np.where(by_chance > 0, by_chance, 1.0), 1.0)
    total, stayed = count.sum(-1), (count - hopped).sum(-1)
    multiplied = ((stays * factor).sum(-1) - stayed) / total
    added = ((stays + agree - by_chance).sum(-1) - stayed) / total
    smaller = np.where(np.abs(multiplied) < np.abs(added), multiplied, added)
    return np.asarray(np.where(multiplied * added > 0, smaller, 0.0), np.float64)
