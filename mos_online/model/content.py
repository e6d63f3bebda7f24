"""What the catalogue says of items, as a part of their rows: what an item is known by before anybody clicks it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mos_online.errors import ModelError


class Content(nn.Module):
    """A learned projection of vectors that stay as they are.

    Attributes:
        vectors: float32 (items + 1, d_c), of each item row; zero where the catalogue says nothing.
    """

    def __init__(self, items: int, length: int, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(items + 1, length))
        self.vectors: Tensor
        self.project = nn.Linear(length, width, bias=False)
        nn.init.normal_(self.project.weight, std=0.05)

    def forward(self, items: Tensor) -> Tensor:
        """What is added to the rows of items (...,): (..., d)."""
        rows: Tensor = self.project(self.vectors[items])
        return rows


def given(rows: Tensor | None, name: str, length: int) -> Tensor:
    """Vectors of items that a model of this size reads.

    Raises:
        ModelError: nobody has given them.
    """
    if rows is None:
        raise ModelError(f"the model reads vectors of length {length} of its items: pass `{name}`")
    return rows
