"""Items that the catalogue lists and nobody has clicked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Catalogued:
    """Items of the catalogue that nobody had clicked when the model was trained.

    Attributes:
        items: ids.
        categories: of each, None where it has none.
        vectors: float32 (n, d_c), what the catalogue says of each.
        share: of the clicks that each of them is expected to get, by how often such items got their first click.
    """

    items: list[str]
    categories: list[str | None]
    vectors: Tensor
    share: float

    def rows_of(self, items: Sequence[str]) -> Tensor:
        """What the catalogue says of some items, float32 (n, d_c); zero for one that is not listed."""
        place = {item: row for row, item in enumerate(self.items)}
        rows = self.vectors.new_zeros(len(items), self.vectors.shape[1])
        for row, item in enumerate(items):
            if item in place:
                rows[row] = self.vectors[place[item]]
        return rows

    def without(self, known: Collection[str]) -> Catalogued:
        """Those that are not known."""
        known = set(known)
        kept = [at for at, item in enumerate(self.items) if item not in known]
        return Catalogued(
            items=[self.items[at] for at in kept],
            categories=[self.categories[at] for at in kept],
            vectors=self.vectors[kept],
            share=self.share,
        )


NONE_LISTED = Catalogued(items=[], categories=[], vectors=torch.zeros(0, 0), share=0.0)
"""No catalogue, or one of which every item was clicked."""
