"""Turns popularity snapshots into real-time features of every item row, in training and in service alike."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mos_online.items.snapshot import PopularitySnapshot
from mos_online.model.sequence_model import realtime_features

OLD_HOURS = 365 * 24.0
"""The age of an item that is not among the popular ones: nobody counts its clicks, and it is not new."""


def realtime_table(popularity: PopularitySnapshot, rows: Mapping[str, int], known: Tensor) -> tuple[Tensor, Tensor]:
    """The popular items and the real-time features of every item row.

    Args:
        popularity: the popularity now; items without a row are left out.
        rows: the row of each item.
        known: float32 (items + 1,), 1 where a row has been trained.

    Returns:
        The rows of the popular items, int64 (n,), most popular first; the features, float32
        (items + 1, REALTIME_FEATURES).
    """
    kept = [i for i, item in enumerate(popularity.item_ids) if item in rows]
    popular = torch.tensor([rows[popularity.item_ids[i]] for i in kept], dtype=torch.int64)
    share, slow_share = torch.zeros(len(known)), torch.zeros(len(known))
    age = torch.full((len(known),), OLD_HOURS)
    total, slow_total = max(popularity.total, 1e-9), max(popularity.slow_total, 1e-9)
    share[popular] = torch.tensor([popularity.counts[i] / total for i in kept], dtype=torch.float32)
    slow_share[popular] = torch.tensor([popularity.slow_counts[i] / slow_total for i in kept], dtype=torch.float32)
    hours = [max(popularity.as_of - popularity.first_seen[i], 0) / 3_600_000 for i in kept]
    age[popular] = torch.tensor(hours, dtype=torch.float32)
    return popular, realtime_features(share, slow_share, age, known)
