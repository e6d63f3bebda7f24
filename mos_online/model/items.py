"""Item rows: who an item is, what kind of thing it is, and how alive it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mos_online.model import live as _live


class ItemTable(nn.Module):
    """An item's row is its own row + its category's row + its theme's row + a map of its live features.

    Row 0 of each table stands for "none": an item that the model has never seen has no own row, and is what its
    category, its theme and its activity say.
    """

    def __init__(self, *, items: int, categories: int, themes: int, dimensions: int, unknown: float) -> None:
        """Start small; ``items`` and ``categories`` do not count row 0."""
        super().__init__()
        self.unknown = unknown
        self.own = nn.Embedding(items + 1, dimensions, padding_idx=0)
        self.category = nn.Embedding(categories + 1, dimensions)
        self.theme = nn.Embedding(themes + 1, dimensions)
        self.live = nn.Linear(_live.n_live() + 1, dimensions)
        self.bias = nn.Sequential(nn.Linear(_live.n_live() + 1, 32), nn.ReLU(), nn.Linear(32, 1))
        with torch.no_grad():
            for table in (self.own, self.category, self.theme):
                nn.init.normal_(table.weight, std=0.05)
            self.own.weight[0] = 0

    def forward(self, own: Tensor, category: Tensor, theme: Tensor, live: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and biases of N items.

        Args:
            own, category, theme: int64 (N,) rows of the tables.
            live: float32 (N, LIVE_FEATURES).

        Returns:
            float32 (N, d) and (N,).
        """
        if self.training and self.unknown > 0:
            own = own * (torch.rand(own.shape) >= self.unknown)
        features = torch.cat([live, (own > 0).unsqueeze(1)], 1)
        rows = self.own(own) + self.category(category) + self.theme(theme) + self.live(features)
        return rows, self.bias(features).squeeze(1)
