"""How a list is clicked: how relevant its items are, and how far down a user looks."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Floats, Floats32, Ints
from simulator.loop.config import Habits, Relevance
from simulator.loop.draws import Keys, uniform, uniforms
from simulator.loop.world import World

AHEAD = 3
"""A step on a ring passes at most so many items: the next ones."""
NEXT, SAME, OWNED, ANY = 3, 2, 1, 0
LIST, DEPTH = 100, 101
"""Purposes of random numbers."""


class Choice:
    """The probabilities and the clicks of lists of one length."""

    def __init__(self, world: World, habits: Habits, length: int) -> None:
        relevance, both = habits.relevance, (world.before, world.after)
        self._habits = habits
        self._items, self._places = len(world.names), world.before.items.shape[1]
        self._ring = np.concatenate([rings.ring for rings in both])
        self._place = np.concatenate([rings.place for rings in both])
        owned = np.stack([rings.owned for rings in both])
        nowhere = np.zeros((*owned.shape[:2], 1), bool)  # the last column is that of ring -1
        self._owned = np.concatenate([owned, nowhere], axis=2)
        self._relevance = np.array([getattr(relevance, name) for name in _BY_KIND], np.float32)
        places = np.arange(1, length + 1)
        looks = places**-habits.examination if habits.clicks == "position" else habits.patience ** (places - 1)
        self._looked_at = self._relevance[:, None] * looks.astype(np.float32)
        self._columns = np.arange(length)
        discount = 1 / np.log2(places + 1)
        wanted = np.where(places <= AHEAD, relevance.next, relevance.same)
        self._discount, self._ideal = discount, float(wanted @ discount)

    def kinds(self, lists: Ints, phase: Ints, users: Ints, ring: Ints, position: Ints) -> Ints:
        """How far each item is from what its user wants: ``NEXT``, ``SAME``, ``OWNED`` or ``ANY``.

        Args:
            lists: int64 (n, k), numbers of items.
            phase: int64 (n,), 0 before the drift, 1 after it.
            users, ring, position: int64 (n,), who asks, and where they are.
        """
        at = lists + (phase * self._items)[:, None]
        its_ring = self._ring[at]
        ahead = self._place[at] - (position + 1)[:, None]
        ahead += (ahead < 0) * self._places
        own = self._owned[phase[:, None], users[:, None], its_ring]
        same = its_ring == ring[:, None]
        kinds: Ints = np.where(same, SAME + (ahead < AHEAD), own)
        return kinds

    def chances(self, kinds: Ints, strength: Floats) -> Floats32:
        """The probability of a click on each item, float32 (n, k); in a cascade, if nothing above is clicked.

        Args:
            kinds: of the items, as ``kinds`` gives them.
            strength: float64 (n,), by which each user's relevance is multiplied.
        """
        chances: Floats32 = self._looked_at[kinds, self._columns] * strength.astype(np.float32)[:, None]
        return chances

    def clicks(self, kinds: Ints, strength: Floats, keys: Keys) -> NDArray[np.bool_]:
        """Which items are clicked, bool (n, k)."""
        luck = uniforms(keys, LIST, kinds.shape[1])
        if self._habits.clicks == "position":
            return luck < self.chances(kinds, strength)
        liked = luck < self._relevance[kinds] * strength.astype(np.float32)[:, None]
        looks = uniform(keys, DEPTH)[:, None] < self._habits.patience**self._columns
        wanted = liked & looks
        first: NDArray[np.bool_] = wanted & (np.cumsum(wanted, axis=1) == 1)
        return first

    def expected(self, kinds: Ints, strength: Floats) -> Floats:
        """How many clicks each list gets on average, float64 (n,)."""
        if self._habits.clicks == "position":
            sums: Floats = self.chances(kinds, strength).sum(axis=1, dtype=np.float64)
            return sums
        liked = self._relevance[kinds] * strength[:, None]
        looks = self._habits.patience**self._columns
        above = np.cumprod(1 - liked, axis=1) / (1 - liked)
        first: Floats = (liked * looks * above).sum(axis=1)
        return first

    def ndcg(self, kinds: Ints) -> Floats:
        """NDCG of each list with the true relevance as gain, float64 (n,): 1 if no list could be better."""
        gains: Floats = self._relevance[kinds] @ self._discount / self._ideal
        return gains


_BY_KIND = [field.name for field in reversed(fields(Relevance))]
"""Names of relevances by kind: ``ANY`` first."""
