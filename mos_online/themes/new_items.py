"""Routing rows for items younger than the router, from the items that they are clicked with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mos_online.arrays import Floats, Floats32
from mos_online.themes.router import Router

NOTHING = 1e-9
"""Rows shorter than this point nowhere."""


class NewItems:
    """Collects which old items new ones co-occur with, session by session; order does not matter.

    A new item's row is the unit mean of the rows of the old items it shared sessions with, where its category's row
    counts like ``prior`` of them: what a fold-in of one co-occurrence row into the factorisation would give if all
    directions weighed the same. Only items that the router has rows for teach: new ones do not teach each other.
    """

    def __init__(self, router: Router, *, least: int = 3, prior: float = 2.0) -> None:
        """Start with nothing.

        Args:
            router: what is known.
            least: old items, counted by session, that a row needs.
            prior: weight of the category's row, in old items.
        """
        self._router, self._least, self._prior = router, least, prior
        self._sum: dict[str, Floats] = {}
        self._count: dict[str, int] = {}
        self._category: dict[str, str | None] = {}

    def learn(self, items: Sequence[str], categories: Sequence[str | None]) -> list[str]:
        """Take in a closed session; ``categories`` in the same order, None where unknown.

        Returns:
            The new items that reached ``least`` with it.
        """
        category = dict(zip(items, categories, strict=True))
        new = [item for item in category if not self._router.has_row(item)]
        if not new:
            return []
        old = [item for item in category if self._router.has_row(item)]
        met = self._router.vectors(old, [None] * len(old)).astype(np.float64).sum(0)
        reached = []
        for item in new:
            before = self._count.get(item, 0)
            self._category[item] = category[item] or self._category.get(item)
            if not old:
                continue
            self._sum[item] = self._sum.get(item, 0.0) + met
            self._count[item] = before + len(old)
            if before < self._least <= self._count[item]:
                reached.append(item)
        return reached

    def row(self, item: str) -> Floats32 | None:
        """The item's unit row, float32 (d_r,), however few items it has met; None if it has no direction."""
        prior = self._router.vectors([item], [self._category.get(item)])[0].astype(np.float64)
        row = self._sum.get(item, 0.0) + self._prior * prior
        norm = np.linalg.norm(row)
        return (row / norm).astype(np.float32) if norm > NOTHING else None

    def rows(self) -> tuple[list[str], Floats32]:
        """The items that have met enough others, and their unit rows, float32 (n, d_r)."""
        enough = [item for item, count in self._count.items() if count >= self._least]
        found = {item: row for item in enough if (row := self.row(item)) is not None}
        table = np.stack(list(found.values())) if found else np.zeros((0, self._router.dimensions), np.float32)
        return list(found), table
