"""How much of a user's loyalty to a theme is only the time: sessions of all users at one time may be similar."""

from __future__ import annotations

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.errors import DatasetError

OTHERS = 5
"""Sessions of other users that each session is compared with: one is mostly noise, many reach too far in time."""

GROUPS = 10
"""Groups of users by the length of their timelines, each with a correction of its own."""

GROUP_USERS = 20
"""A group has at least so many users; of fewer users there are fewer groups."""

COLUMNS = 5
"""Per group: 1, hopped, hopped when shuffled, others agree, others agree when shuffled."""


def nearest_of_others(users: Ints, times: Ints, count: int) -> Ints:
    """For each of n sessions those of other users that began nearest in time, nearest first; int64 (n, count).

    Where there are fewer than ``count``, the rest is -1; of two equally near ones, the earlier.

    Args:
        users: (n,), numbers; of two or more users.
        times: (n,).

    Raises:
        DatasetError: all sessions are one user's.

    >>> nearest_of_others(np.array([0, 0, 0, 1]), np.array([10, 20, 30, 21]), 1).tolist()
    [[3], [3], [3], [1]]
    """
    if len(np.unique(users)) < 2:
        raise DatasetError("all sessions are of one user: give sessions of two users or more")
    order = np.argsort(times, kind="stable")
    user, time = users[order], times[order].astype(np.float64)
    changes = np.flatnonzero(np.diff(user, prepend=user[0] - 1))
    run = np.repeat(np.arange(len(changes)), np.diff(changes, append=len(user)))
    first, last = changes[run], np.append(changes[1:], len(user))[run] - 1
    found = []
    for step, edge in ((-1, first), (1, last)):
        at = np.arange(len(user))
        for _ in range(count):
            at = _other_beyond(at, step, edge, user)
            found.append(at)
    places = np.stack(found, 1)
    inside = (places >= 0) & (places < len(user))
    places = places.clip(0, len(user) - 1)
    distance = np.where(inside, np.abs(time[places] - time[:, None]), np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    chosen = order[np.take_along_axis(places, nearest, 1)]
    chosen[np.isinf(np.take_along_axis(distance, nearest, 1))] = -1
    others = np.empty_like(chosen)
    others[order] = chosen
    return others


def _other_beyond(at: Ints, step: int, edge: Ints, user: Ints) -> Ints:
    """The next place in a direction that is not the user's own; a run of the user's own sessions is jumped over."""
    size = len(user)
    following = at + step
    inside = (following >= 0) & (following < size)
    here = following.clip(0, size - 1)
    own = inside & (user[here] == user)
    return np.where(own, edge[here] + step, following)


def agreement(themes: Ints, before: Ints, others: Ints) -> Floats:
    """Share of the other users' sessions (p, count), numbers or -1, that have the theme of ``before`` (p,); (p,)."""
    there = others >= 0
    same = (themes[others] == themes[before][:, None]) & there
    return np.asarray(same.sum(1) / there.sum(1).clip(min=1), np.float64)


def timeline_groups(users: Ints, times: Ints) -> Ints:
    """Group of each session by the length of its user's timeline, from the first session to the last.

    Args:
        users: int64 (n,), numbers from 0.
        times: int64 (n,), when each session began.

    Returns:
        int64 (n,), groups 0, 1, ...; shortest first.
    """
    first, last = np.full(users.max() + 1, np.inf), np.full(users.max() + 1, -np.inf)
    np.minimum.at(first, users, times)
    np.maximum.at(last, users, times)
    groups = max(1, min(GROUPS, len(np.unique(users)) // GROUP_USERS))
    length = last - first
    edges = np.quantile(length[np.unique(users)], np.arange(1, groups) / groups)
    return np.searchsorted(edges, length, side="right").astype(np.int64)[users]


def by_group(groups: Ints, *columns: Floats) -> list[Floats]:
    """The ``COLUMNS``, each (p,), once per group with zeros elsewhere: their sums are what ``beyond_time`` takes."""
    return [np.where(groups == group, column, 0.0) for group in range(groups.max(initial=0) + 1) for column in columns]


def beyond_time(sums: Floats) -> Floats:
    """Hop rate minus the one to be expected by time, from sums (..., groups * COLUMNS); (...).

    Consecutive sessions of a user may have the same theme only because they lie close in time. Sessions of other users
    at the same time show how much of the agreement that explains. There are two ways to correct for it. If a theme is
    the topic of a period, the user's agreement is a multiple of the other users' agreement: the correction is a
    *factor*. If users follow a fashion in some of their sessions, the correction is *added*. What the order of a user's
    sessions tells is what neither correction explains: the smaller of the two differences, and nothing if they have
    different signs.
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
