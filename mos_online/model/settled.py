"""Rows of items that are computed once: a service looks them up."""

from __future__ import annotations

import torch
from torch import Tensor

from mos_online.model.sequence_model import SequenceModel


@torch.no_grad()
def settle(model: SequenceModel, items: Tensor | None = None) -> None:
    """Compute the rows of items; the model looks them up from now on, and must not be trained any more.

    Args:
        model: nobody may read these rows at the same time; others may be read.
        items: int64 (n,), the item rows whose category or vectors have changed; None: all.
    """
    if model.settled is None or items is None:
        model.settled = model.summed_rows(torch.arange(model.config.items + 1))
    else:
        model.settled[items] = model.summed_rows(items)
