"""The rows of a model: which item and which category each of them stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mos_online.arrays import Ints
from mos_online.items.item_vectors import NO_VECTORS, ItemVectors
from mos_online.training.click_log import ClickLog


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Items and categories that have rows of their own; row 0 is "unknown" in both.

    Attributes:
        items, categories: names of the rows 1, 2, ...
        item_category: int64 (items + 1,), the category row of each item row.
        content: float32 (items + 1, d_c), what the catalogue says of each item row; zero where it says nothing.
    """

    items: Sequence[str]
    categories: Sequence[str]
    item_category: Ints
    content: Tensor

    @classmethod
    def of(cls, items: Sequence[str], category_of: Mapping[str, str], vectors: ItemVectors = NO_VECTORS) -> Self:
        """Give rows to these items and to the categories that they have.

        Args:
            items: distinct ids, in the order of the rows.
            category_of: item -> category.
            vectors: what the catalogue says of items.
        """
        names = [category_of.get(item) for item in items]
        categories = sorted({name for name in names if name is not None})
        index = {name: number for number, name in enumerate(categories, 1)}
        return cls(
            items=list(items),
            categories=categories,
            item_category=np.array([0, *(index[name] if name is not None else 0 for name in names)], np.int64),
            content=content_rows(items, vectors),
        )

    @classmethod
    def of_log(cls, log: ClickLog, vectors: ItemVectors = NO_VECTORS) -> Self:
        """Give rows to all items of a log, by their first click."""
        return cls.of(log.item_ids(), log.categories, vectors)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each item that has one."""
        return {item: row for row, item in enumerate(self.items, 1)}

    def rows_of(self, items: Sequence[str]) -> Ints:
        """The row of each item, int64 (n,), 0 for an item without one."""
        return np.fromiter((self.rows.get(item, 0) for item in items), np.int64, len(items))

    def clicks(self, items: Sequence[str]) -> Tensor:
        """How often each row is among some clicks, float32 (items + 1,)."""
        counts = np.bincount(self.rows_of(items), minlength=len(self.items) + 1)
        return torch.from_numpy(counts.astype(np.float32))

    def marked(self, items: set[str]) -> Tensor:
        """Mark the rows of some items: float32 (items + 1,), 1 for those, else 0."""
        return torch.tensor([0.0, *(float(item in items) for item in self.items)])


def content_rows(items: Sequence[str], vectors: ItemVectors) -> Tensor:
    """The vectors of item rows, float32 (items + 1, d_c); row 0 is zero."""
    nothing = np.zeros((1, vectors.length), np.float32)
    return torch.from_numpy(np.concatenate([nothing, vectors.of(items)]))
