"""Users who ask for recommendations and answer them: when they come, what they want, what they click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Floats, Ints
from simulator.loop.choice import AHEAD, Choice
from simulator.loop.config import Arm, Habits
from simulator.loop.draws import Draws, Keys, uniform
from simulator.loop.world import World
from simulator.population import SECOND, SHORTEST_ABSENCE, Population

BEGIN, APPETITE, HOP, WHICH, ENDS, AWAY, STEP, FINDS, NOISE, ANYTHING = range(10)
"""Purposes of random numbers."""


class Asked(NamedTuple):
    """Requests, one of each user; int64 (n,) but for ``keys``.

    Attributes:
        rows: of the crowd.
        users: of the population.
        numbers: how many requests the user has made before.
        times: ms since the start.
        keys: of their random numbers.
        phase: 0 before the drift, 1 after it.
        choice: which of their rings users are on, by its place among these.
        ring, position: where the user is: what they want are the next items there.
    """

    rows: Ints
    users: Ints
    numbers: Ints
    times: Ints
    keys: Keys
    phase: Ints
    choice: Ints
    ring: Ints
    position: Ints


class Answered(NamedTuple):
    """What users have done with their lists.

    Attributes:
        clicks: bool (n, k).
        found: int64 (n,), the item that each found without the list; -1 for none.
        ndcg: float64 (n,), of the lists, by the true relevance.
        left: bool (n,), whether this was the last request of the visit.
    """

    clicks: NDArray[np.bool_]
    found: Ints
    ndcg: Floats
    left: NDArray[np.bool_]


class Crowd:
    """Users of a population, in one or more arms.

    What a user wants at their n-th request is a function of the seed, the user and n. The lists decide what they click
    of it, when they leave and when they come back. So users of two arms want the same, request by request, and an
    effect that is planted is exactly in the probabilities of their clicks.

    Attributes:
        users: int64 (rows,), of the population; one may have a row in each of two arms.
        arm: int64 (rows,), the number of the arm.
        next: int64 (rows,), when each asks next (ms since the start).
        numbers: int64 (rows,), how many requests each has made.
        begun: int64 (rows,), the time of the first one; -1 before.
    """

    def __init__(
        self,
        population: Population,
        world: World,
        habits: Habits,
        arms: Sequence[Arm],
        *,
        users: Ints,
        arm: Ints,
        length: int,
        seed: int,
    ) -> None:
        """Let users begin where the population's log has left them.

        Args:
            population, world: the users' habits and the items.
            habits: how they behave.
            arms: that ``arm`` numbers.
            users, arm: of each row.
            length: of the lists, at most the items of a ring.
            seed: of all random numbers.

        Raises:
            SettingsError: an effect is too large to be exact.
        """
        for one in arms:
            one.check(habits)
        self.users, self.arm = users, arm
        self.numbers = np.zeros(len(users), np.int64)
        self.begun = np.full(len(users), -1)
        self.choice = Choice(world, habits, length)
        self._world, self._habits, self._draws = world, habits, Draws(seed)
        self._choice = (world.before.choices[users] == population.ring[users, None]).argmax(axis=1)
        self._position = population.position[users]
        self._visiting = np.zeros(len(users), bool)
        self._pleased = np.zeros(len(users), bool)
        self._empty = np.zeros(len(users), np.int64)
        self._effect = np.array([one.effect for one in arms])[arm]
        self._novelty = np.array([one.novelty or np.inf for one in arms])[arm]
        born = self._draws.keys(users, np.full(len(users), -1))
        self._appetite = 1 + habits.appetite * (2 * uniform(born, APPETITE) - 1)
        self.next = (uniform(born, BEGIN) * (SHORTEST_ABSENCE + habits.absence)).astype(np.int64)

    def ask(self, rows: Ints) -> Asked:
        """The next request of each row: when, and what the user wants."""
        users, times, numbers = self.users[rows], self.next[rows], self.numbers[rows]
        keys = self._draws.keys(users, numbers)
        drift_at = self._world.drift_at
        phase = (times >= drift_at).astype(np.int64) if drift_at is not None else np.zeros_like(times)
        before, after = self._world.before.choices, self._world.after.choices
        hops = ~self._visiting[rows] & (uniform(keys, HOP) < self._habits.hop)
        others = before.shape[1] - 1
        choice = self._choice[rows] + hops * (1 + (uniform(keys, WHICH) * others).astype(np.int64))
        choice %= others + 1
        ring = np.where(phase == 1, after[users, choice], before[users, choice])
        return Asked(rows, users, numbers, times, keys, phase, choice, ring, self._position[rows, ring])

    def kinds(self, asked: Asked, lists: Ints) -> Ints:
        """How far the items of lists, int64 (n, k), are from what these users want; see ``Choice.kinds``."""
        return self.choice.kinds(lists, asked.phase, asked.users, asked.ring, asked.position)

    def strength(self, asked: Asked) -> Floats:
        """By what the relevance of items is multiplied for these users now, float64 (n,)."""
        since = asked.times - np.where(self.begun[asked.rows] < 0, asked.times, self.begun[asked.rows])
        effect = self._effect[asked.rows] * 0.5 ** (since / self._novelty[asked.rows])
        strength: Floats = self._appetite[asked.rows] * (1 + effect)
        return strength

    def answer(self, asked: Asked, lists: Ints, effects: Floats | None = None) -> Answered:
        """Let users see their lists, int64 (n, k), click, and go on; each request once.

        ``effects``, float64 (n,), multiply the relevance by 1 + effect, beside the effect of each user's arm.
        """
        kinds = self.kinds(asked, lists)
        strength = self.strength(asked) if effects is None else self.strength(asked) * (1 + effects)
        clicks = self.choice.clicks(kinds, strength, asked.keys)
        rows, keys, places = asked.rows, asked.keys, self._world.before.items.shape[1]
        stepped = (asked.position + 1 + (uniform(keys, STEP) * AHEAD).astype(np.int64)) % places
        found = self._found(asked, stepped)
        self.begun[rows] = np.where(self.begun[rows] < 0, asked.times, self.begun[rows])
        self.numbers[rows] += 1
        self._choice[rows] = asked.choice
        self._position[rows, asked.ring] = stepped
        left = self._time_passes(asked, clicks.sum(axis=1) > 0)
        return Answered(clicks, found, self.choice.ndcg(kinds), left)

    def _found(self, asked: Asked, stepped: Ints) -> Ints:
        """What each finds without a list: mostly the item to which they step."""
        keys, habits, world = asked.keys, self._habits, self._world
        own = np.where(
            asked.phase == 1, world.after.items[asked.ring, stepped], world.before.items[asked.ring, stepped]
        )
        anything = (uniform(keys, ANYTHING) * world.before.items.size).astype(np.int64)
        anything = np.where(asked.phase == 1, world.after.items.ravel()[anything], anything)
        item = np.where(uniform(keys, NOISE) < habits.noise, anything, own)
        return np.where(uniform(keys, FINDS) < habits.organic, item, -1)

    def _time_passes(self, asked: Asked, clicked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Set when each asks next; returns who leaves. A visit ends by itself, or because the lists are no good."""
        rows, keys, habits = asked.rows, asked.keys, self._habits
        ends = uniform(keys, ENDS) < 1 / habits.requests_per_visit
        self._visiting[rows] = ~ends
        pleased = self._pleased[rows] | clicked
        empty = np.where(clicked, 0, self._empty[rows] + 1)
        left: NDArray[np.bool_] = ends | (empty >= habits.empty_lists)
        wait = -np.log1p(-uniform(keys, AWAY))
        absence = SHORTEST_ABSENCE + wait * habits.absence * np.where(pleased, 1 - habits.sooner, 1.0)
        pause = SECOND + np.minimum(wait * habits.pause, 24 * 60_000)
        self.next[rows] = asked.times + np.where(left, absence, pause).astype(np.int64)
        self._pleased[rows] = pleased & ~left
        self._empty[rows] = np.where(left, 0, empty)
        return left
