"""The loop without a model: all users at once, in rounds of one request each. For statistics of many users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Floats, Ints
from mos_online.contracts.decisions import MAX_ITEMS
from mos_online.errors import SettingsError
from simulator.loop.config import Arm, Drift, Habits
from simulator.loop.crowd import Answered, Asked, Crowd
from simulator.loop.draws import Draws, uniform
from simulator.loop.stub import StubRanker
from simulator.loop.world import World
from simulator.population import Population

BLOCK = 8_192
"""Users who are simulated together: what is known of them fits into the cache of a processor."""
ARM, LOST = 200, 201
"""Purposes of random numbers."""

Watch = Callable[[Asked, Ints, Answered], None]
"""Is shown every round: the requests, the lists, int64 (n, k), and the answers."""


@dataclass(frozen=True, kw_only=True)
class PerUser:
    """What each user has done; a row for each user in each of their arms.

    Attributes:
        user, arm: numbers, int64.
        exposed: bool, whether the log has the user's exposure.
        begun: int64, time of the first request (ms since the start); -1 without any.
        requests, clicks: int64, lists seen, and clicks on them.
        found: int64, clicks without a list.
        ndcg: float64, the sum over the lists.
    """

    user: Ints
    arm: Ints
    exposed: NDArray[np.bool_]
    begun: Ints
    requests: Ints
    clicks: Ints
    found: Ints
    ndcg: Floats


def run_rounds(
    population: Population,
    *,
    habits: Habits,
    arms: Sequence[Arm],
    duration: int,
    drift: Drift | None = None,
    paired: bool = False,
    length: int = 10,
    seed: int = 0,
    watch: Watch | None = None,
) -> PerUser:
    """Let all users ask and answer for ``duration`` ms.

    Args:
        population: the users, and what they did before.
        habits: how they behave.
        arms: at least one; each user is in one of them by chance, all equally likely.
        duration: ms of event time.
        drift: what changes; None for nothing.
        paired: every user is in every arm instead, with the same luck.
        length: of the lists.
        seed: the same values give the same users, lists and clicks.
        watch: is shown every round of every block of users.

    Raises:
        SettingsError: no arm, lists longer than a ring, or an effect too large to be exact.
    """
    check(population, arms, length)
    world = World.of(population, drift, seed)
    user, arm = _assigned(population.config.users, len(arms), seed, paired=paired)
    blocks = [
        _block(
            Crowd(
                population,
                world,
                habits,
                arms,
                users=user[begin : begin + BLOCK],
                arm=arm[begin : begin + BLOCK],
                length=length,
                seed=seed,
            ),
            StubRanker(world, len(user[begin : begin + BLOCK]), length),
            duration,
            watch,
        )
        for begin in range(0, len(user), BLOCK)
    ]
    begun, requests, clicks, found, ndcg = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    lost = np.array([one.lost for one in arms])[arm]
    luck = uniform(Draws(seed).keys(user, np.full(len(user), -1)), LOST)
    return PerUser(
        user=user,
        arm=arm,
        exposed=(begun >= 0) & (luck >= lost),
        begun=begun,
        requests=requests,
        clicks=clicks.astype(np.int64),
        found=found.astype(np.int64),
        ndcg=ndcg,
    )


def check(population: Population, arms: Sequence[Arm], length: int) -> None:
    """Check what a simulation is made of.

    Raises:
        SettingsError: no arm, two arms of one name, or lists longer than a ring or an answer.
    """
    names = [arm.name for arm in arms]
    if not arms or len(set(names)) < len(names):
        raise SettingsError(f"arms {', '.join(names) or '(none)'}: give at least one, and each a name of its own")
    most = min(population.config.items_per_theme, MAX_ITEMS)
    if not 1 <= length <= most:
        raise SettingsError(f"lists of {length} items: give 1 to {most}, no more than a theme has")


def _assigned(users: int, arms: int, seed: int, *, paired: bool) -> tuple[Ints, Ints]:
    """The user and the arm of each row."""
    everybody = np.arange(users)
    if paired:
        return np.tile(everybody, arms), np.repeat(np.arange(arms), users)
    luck = uniform(Draws(seed).keys(everybody, np.full(users, -1)), ARM)
    return everybody, (luck * arms).astype(np.int64)


def _block(
    crowd: Crowd, ranker: StubRanker, duration: int, watch: Watch | None
) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    """Begun, requests, clicks, finds and summed NDCG of each row of a block."""
    clicks, found, ndcg = np.zeros((3, len(crowd.users)))
    while len(rows := np.flatnonzero(crowd.next < duration)):
        asked = crowd.ask(rows)
        lists = ranker.rank(asked)
        answered = crowd.answer(asked, lists)
        ranker.observe(asked, lists, answered)
        clicks[rows] += answered.clicks.sum(axis=1)
        found[rows] += answered.found >= 0
        ndcg[rows] += answered.ndcg
        if watch is not None:
            watch(asked, lists, answered)
    return crowd.begun, crowd.numbers, clicks, found, ndcg
