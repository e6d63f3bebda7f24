"""What a model reads when it learns or is measured: histories, targets and real-time features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.model.batch import Batch
from mos_online.model.config import MoSConfig
from mos_online.model.realtime import realtime_table
from mos_online.training.catalogue import Catalogue
from mos_online.training.moments import Moment
from mos_online.training.sequence_log import SequenceLog


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The examples of one moment, ready for the model.

    Attributes:
        batch: the users' histories just before.
        targets: int64 (B,), rows of the items that they clicked next.
        active: int64 (a,), rows of the active items.
        features: float32 (items + 1, REALTIME_FEATURES), of every item row.
    """

    batch: Batch
    targets: Tensor
    active: Tensor
    features: Tensor

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        return Examples(
            batch=self.batch.to(device),
            targets=self.targets.to(device, non_blocking=True),
            active=self.active.to(device, non_blocking=True),
            features=self.features.to(device, non_blocking=True),
        )


def examples(moment: Moment, log: SequenceLog, catalogue: Catalogue, known: Tensor, config: MoSConfig) -> Examples:
    """What a model of these sizes reads at a moment.

    Args:
        moment: whose positions are the targets.
        log: the histories.
        catalogue: the item rows.
        known: float32 (items + 1,), 1 where a row can be trained.
        config: how many events are read.
    """
    active, features = realtime_table(moment.popularity, catalogue.rows, known)
    return Examples(
        batch=log.batch(moment.positions, recent=config.recent, ring=config.theme_ring),
        targets=torch.from_numpy(log.items[moment.positions]),
        active=active,
        features=features,
    )


def count(data: Sequence[Examples]) -> int:
    """The number of targets in all examples."""
    return sum(len(one.targets) for one in data)
