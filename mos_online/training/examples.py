"""What a model reads when it learns or is measured: histories, targets and what is known of the items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mos_online.model.batch import Batch
from mos_online.model.config import MoSConfig
from mos_online.model.neighbours import Neighbours
from mos_online.model.realtime import Realtime
from mos_online.training.moments import Moment
from mos_online.training.sequence_log import SequenceLog


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples of some moments, ready for the model.

    Attributes:
        batch: the users' histories just before; those of one moment after those of the other.
        targets: int64 (B,), rows of the items that they clicked next.
        sizes: how many of the examples belong to each moment.
        seen: of each moment, the item rows 1..seen had been clicked before.
        popular: what is popular at each moment.
        neighbours: of the items that they clicked last, joined for all moments; None where they are not known.
    """

    batch: Batch
    targets: Tensor
    sizes: list[int]
    seen: list[int]
    popular: list[Realtime]
    neighbours: Neighbours | None = None

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        return Examples(
            batch=self.batch.to(device),
            targets=self.targets.to(device, non_blocking=True),
            sizes=self.sizes,
            seen=self.seen,
            popular=[one.to(device) for one in self.popular],
            neighbours=self.neighbours.to(device) if self.neighbours is not None else None,
        )

    @property
    def moment(self) -> Tensor:
        """The number of each example's moment, int64 (B,)."""
        sizes = torch.tensor(self.sizes, device=self.targets.device)
        return torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)

    def features(self, rows: Tensor, known: Tensor) -> Tensor:
        """Real-time features of each example's own candidates, float32 (B, C, REALTIME_FEATURES).

        Args:
            rows: int64 (B, C), the candidates.
            known: float32 (items + 1,), 1 where a row has been trained.
        """
        parts = zip(self.popular, rows.split(self.sizes), strict=True)
        return torch.cat([one.features(chosen, known) for one, chosen in parts])


@dataclass(frozen=True, kw_only=True)
class ExampleLog:
    """The examples of a log, laid out when they are asked for: a million of them would not fit into the memory.

    Attributes:
        moments: whose positions are the targets, in order of time.
        log: the histories.
        config: how many events a model reads.
        delay_ms: where it is known when a list was made, it is read as if that had been so much later.
    """

    moments: Sequence[Moment]
    log: SequenceLog
    config: MoSConfig
    delay_ms: int = 0

    def __len__(self) -> int:
        """How many moments there are."""
        return len(self.moments)

    @property
    def count(self) -> int:
        """How many examples there are."""
        return sum(len(one.positions) for one in self.moments)

    def targets(self, numbers: Sequence[int]) -> int:
        """How many examples of some moments have a target with a row."""
        return sum(int((self.log.items[self.moments[number].positions] > 0).sum()) for number in numbers)

    def of(self, numbers: Sequence[int]) -> Examples:
        """The examples of some moments, by their numbers."""
        chosen = [self.moments[number] for number in numbers]
        positions = np.concatenate([one.positions for one in chosen])
        asked = [one.asked for one in chosen if one.asked is not None]
        now = np.concatenate(asked) + self.delay_ms if asked else None
        return Examples(
            batch=self.log.batch(positions, recent=self.config.recent, ring=self.config.theme_ring, now=now),
            targets=torch.from_numpy(self.log.items[positions]),
            sizes=[len(one.positions) for one in chosen],
            seen=[one.seen for one in chosen],
            popular=[one.popular for one in chosen],
            neighbours=_joined([one.neighbours for one in chosen]),
        )


def _joined(moments: Sequence[Neighbours | None]) -> Neighbours | None:
    """The neighbours of several moments, or None if one of them has none."""
    known = [one for one in moments if one is not None]
    return Neighbours.joined(known) if known and len(known) == len(moments) else None
