"""A ranker without a model: it knows the rings as they were, and what each user clicked last."""

from __future__ import annotations

import numpy as np

from mos_online.arrays import Ints
from simulator.loop.crowd import Answered, Asked
from simulator.loop.world import NOWHERE, World


class StubRanker:
    """Recommends the items that followed the user's last click on its ring before the drift: a frozen model."""

    def __init__(self, world: World, rows: int, length: int) -> None:
        """Know a world, and ``rows`` users of whom nothing has been seen yet."""
        rings = world.before
        self._items, self._ring, self._place = rings.items.ravel(), rings.ring, rings.place
        self._places = rings.items.shape[1]
        self._ahead = np.arange(1, length + 1)
        self._last = np.zeros(rows, np.int64)

    def rank(self, asked: Asked) -> Ints:
        """A list for each request, int64 (n, length)."""
        last = self._last[asked.rows]
        places = self._place[last][:, None] + self._ahead
        places -= (places >= self._places) * self._places
        lists: Ints = self._items[self._ring[last][:, None] * self._places + places]
        return lists

    def observe(self, asked: Asked, lists: Ints, answered: Answered) -> None:
        """Note the last click of each user on an item that is known."""
        first = answered.clicks.argmax(axis=1)
        rows = np.arange(len(lists))
        clicked = np.where(answered.clicks[rows, first], lists[rows, first], -1)
        clicked = np.where(answered.found >= 0, answered.found, clicked)
        known = (clicked >= 0) & (self._ring[clicked] != NOWHERE)
        self._last[asked.rows[known]] = clicked[known]
