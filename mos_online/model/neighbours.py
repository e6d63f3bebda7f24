"""Co-clicks in item rows: the neighbours of an item and the chance of each, in training and in service alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import newest

SMOOTHED = 1.0
"""Added to the co-clicks of an item: one with few of them says less about what comes next."""

MOMENT = 1 << 32
"""The rows of each further moment are this much greater, so that tables of several moments are one."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Sparse rows: of each item, its neighbours and their chances.

    Attributes:
        owners: int64 (k,), the item rows that have neighbours, ascending.
        starts: int64 (k + 1,), where the neighbours of each begin.
        items: int64 (n,), the rows of the neighbours.
        chances: float32 (n,), how likely each is clicked together with its owner; those of an owner add up to less
            than 1, and to the more the more co-clicks it has.
        support: float32 (k,), decayed co-clicks of each owner.
    """

    owners: Tensor
    starts: Tensor
    items: Tensor
    chances: Tensor
    support: Tensor

    @classmethod
    def of(cls, snapshots: Sequence[CoClickSnapshot], rows: Mapping[str, int], *, half_life_ms: float) -> Self:
        """Add up the snapshots of all partitions, decayed to the newest of them.

        A pair that several partitions list is several neighbours here, whose chances add up.

        Args:
            snapshots: at most one of each partition.
            rows: item -> row (1, 2, ...); other items are left out.
            half_life_ms: of the co-clicks.
        """
        as_of = newest(snapshots)
        owners, others, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        for one in snapshots:
            lengths, neighbours, weight = one.columns()
            numbers = np.array([rows.get(item, 0) for item in one.item_ids], np.int64)
            owners.append(np.repeat(numbers, lengths))
            others.append(numbers[neighbours])
            weights.append(weight * np.float32(0.5 ** ((as_of - one.as_of) / half_life_ms)))
        owner, other, weight = np.concatenate(owners), np.concatenate(others), np.concatenate(weights)
        known = (owner > 0) & (other > 0)
        owner, other, weight = owner[known], other[known], weight[known]
        order = np.argsort(owner, kind="stable")
        owner, other, weight = owner[order], other[order], weight[order]
        listed, places, counts = np.unique(owner, return_inverse=True, return_counts=True)
        support = np.bincount(places, weight, len(listed)).astype(np.float32)
        return cls(
            owners=torch.from_numpy(listed),
            starts=torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)),
            items=torch.from_numpy(other),
            chances=torch.from_numpy(weight / (support[places] + np.float32(SMOOTHED))),
            support=torch.from_numpy(support),
        )

    @classmethod
    def joined(cls, moments: Sequence[Self]) -> Self:
        """Make one of the tables of several moments: an owner of the m-th has ``m * MOMENT`` added to its row."""
        begins = np.cumsum([0, *(len(one.items) for one in moments)]).tolist()
        return cls(
            owners=torch.cat([one.owners + number * MOMENT for number, one in enumerate(moments)]),
            starts=torch.cat(
                [*(one.starts[:-1] + at for one, at in zip(moments, begins, strict=False)), torch.tensor(begins[-1:])]
            ),
            items=torch.cat([one.items for one in moments]),
            chances=torch.cat([one.chances for one in moments]),
            support=torch.cat([one.support for one in moments]),
        )

    def to(self, device: torch.device) -> Neighbours:
        """The same on a device."""
        return Neighbours(**{one.name: getattr(self, one.name).to(device, non_blocking=True) for one in fields(self)})
