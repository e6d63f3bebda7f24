"""A model under a revision of its router."""

from __future__ import annotations

import copy

from torch import Tensor

from mos_online.model.mos import MoS


def with_themes(model: MoS, theme: Tensor, table: Tensor | None = None, category: Tensor | None = None) -> MoS:
    """The same weights with other themes of the items; ``model`` stays as it is, and both share all other tensors.

    Of settled rows the twin has a copy, in which those with another category or vector must be settled again.

    Args:
        model: any model.
        theme: int64 (items + 1,), theme of each item row.
        table: float32 (items + 1, d_r), routing vectors; None: the same.
        category: int64 (items + 1,), category row of each item row; None: the same.
    """
    twin = copy.copy(model)
    twin._buffers = dict(model._buffers)  # noqa: SLF001 - nn.Module keeps them there, and a copy would share them
    twin.item_theme = theme
    if table is not None:
        twin.item_table = table
    if category is not None:
        twin.item_category = category
    if twin.settled is not None:
        twin.settled = twin.settled.clone()
    return twin
