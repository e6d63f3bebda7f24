"""What the model reads of some users at some moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from mos_online.arrays import Ints


@dataclass(frozen=True, kw_only=True)
class History:
    """One user at one moment, in indices of the catalogue; index 0 is an item of which nothing is known.

    Attributes:
        items, times: int64 (n,), the last events over all sessions, the open one included, oldest first; times in ms.
        now: the moment of the request (ms).
        rings: theme (1..K) -> items and times of its ring; no empty rings.
        theme_sessions: theme -> sessions routed there.
    """

    items: Ints
    times: Ints
    now: int
    rings: dict[int, tuple[Ints, Ints]]
    theme_sessions: dict[int, int]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B users as padded tensors; events first, padding last.

    Attributes:
        items: int64 (B, T); ages: float32 (B, T), seconds from event to request; mask: bool (B, T).
        ring_items, ring_ages, ring_mask: the same of the M non-empty theme rings of all users, (M, n).
        ring_user: int64 (M,), the row of each ring; ring_theme: int64 (M,), 1..K.
        ring_sessions: float32 (M,), sessions routed to the ring's theme.
    """

    items: Tensor
    ages: Tensor
    mask: Tensor
    ring_items: Tensor
    ring_ages: Tensor
    ring_mask: Tensor
    ring_user: Tensor
    ring_theme: Tensor
    ring_sessions: Tensor

    @property
    def newest_age(self) -> Tensor:
        """Seconds from the last event of each user to the request, float32 (B,); 0 where there is no event."""
        if not self.ages.shape[1]:
            return torch.zeros(len(self.ages), device=self.ages.device)
        last = (self.mask.sum(1, keepdim=True) - 1).clamp(min=0)
        return self.ages.gather(1, last).squeeze(1)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; itself if it is there already."""
        tensors = {field.name: getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)}
        return self if all(tensors[name] is getattr(self, name) for name in tensors) else Batch(**tensors)


def collate(histories: Sequence[History]) -> Batch:
    """Make a batch of histories, padded to the longest of them."""
    items, ages, mask = _pad([(h.items, h.times, h.now) for h in histories])
    rings = [(row, theme, h) for row, h in enumerate(histories) for theme in h.rings]
    ring_items, ring_ages, ring_mask = _pad([(*h.rings[theme], h.now) for _, theme, h in rings])
    return Batch(
        items=items,
        ages=ages,
        mask=mask,
        ring_items=ring_items,
        ring_ages=ring_ages,
        ring_mask=ring_mask,
        ring_user=torch.tensor([row for row, _, _ in rings], dtype=torch.int64),
        ring_theme=torch.tensor([theme for _, theme, _ in rings], dtype=torch.int64),
        ring_sessions=torch.tensor([h.theme_sessions.get(theme, 0) for _, theme, h in rings], dtype=torch.float32),
    )


def _pad(sequences: Sequence[tuple[Ints, Ints, int]]) -> tuple[Tensor, Tensor, Tensor]:
    longest = max((len(items) for items, _, _ in sequences), default=0)
    items = np.zeros((len(sequences), longest), np.int64)
    ages = np.zeros((len(sequences), longest), np.float32)
    lengths = np.zeros(len(sequences), np.int64)
    for row, (ids, times, now) in enumerate(sequences):
        length = len(ids)
        items[row, :length] = ids
        ages[row, :length] = np.maximum(now - times, 0) / 1000
        lengths[row] = length
    mask = np.arange(longest)[None, :] < lengths[:, None]
    return torch.from_numpy(items), torch.from_numpy(ages), torch.from_numpy(mask)
