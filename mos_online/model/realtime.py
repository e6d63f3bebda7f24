"""Turns popularity snapshots into real-time features of item rows, in training and in service alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mos_online.items.places import Place, clicks_at, shares_at
from mos_online.items.snapshot import PopularitySnapshot

LOG_SHARE = 4.0
"""Scale of the logarithm of a share in the real-time features."""

SHARE_ONE = 2.0
"""Added to that logarithm, so that its feature is 2 for an item that has all clicks."""

OLD_HOURS = 365 * 24.0
"""The age of an item that is not among the popular ones: nobody counts its clicks, and it is not new."""


@dataclass(frozen=True, kw_only=True)
class Realtime:
    """What is known of the items at one moment. Items that are not listed have no clicks and are old.

    Attributes:
        popular: int64 (n,), rows of the popular items, most popular first.
        facts: float32 (n, 3), of each of them: its share of the decayed clicks of all items, the same with a half-life
            ``SLOW`` times as long, and the hours since its first click.
        placed: float32 (2, n, 2), the shares by both half-lives among the clicks inside sessions, and among those that
            began one, see ``shares_at``.
        clicks: by ``Place``, the decayed clicks on all items.
        as_of: newest event time counted (ms); half_life_ms: of the shorter half-life.
    """

    popular: Tensor
    facts: Tensor
    placed: Tensor
    clicks: tuple[float, ...] = (0.0,) * len(Place)
    as_of: int = 0
    half_life_ms: float = math.inf

    def to(self, device: torch.device) -> Realtime:
        """The same on a device."""
        tensors = (self.popular, self.facts, self.placed)
        popular, facts, placed = (one.to(device, non_blocking=True) for one in tensors)
        return replace(self, popular=popular, facts=facts, placed=placed)

    def shares(self, place: Place) -> Tensor:
        """Shares of the clicks at a place, by both half-lives, float32 (n, 2)."""
        return self.placed[place - 1] if place else self.facts[:, :2]

    def with_unclicked(self, rows: Tensor, share: float) -> Realtime:
        """The same, where items that nobody has clicked are new and get the share of the clicks that is expected.

        What is popular stays what it is, so this is for the features of a model alone.

        Args:
            rows: int64 (n,), none of them popular.
            share: of the clicks, of each of them.
        """
        facts = torch.tensor([share, share, 0.0], device=self.facts.device).expand(len(rows), 3)
        placed = torch.cat([self.placed, facts[:, :2].expand(2, -1, -1)], 1)
        return replace(
            self, popular=torch.cat([self.popular, rows]), facts=torch.cat([self.facts, facts]), placed=placed
        )

    def features(self, rows: Tensor, known: Tensor) -> Tensor:
        """Features of some item rows, float32 (..., REALTIME_FEATURES).

        Args:
            rows: int64 (...,).
            known: float32 (items + 1,), 1 where a row has been trained.
        """
        facts = idle_facts(known.device).repeat(len(known), 1)
        facts[self.popular] = self.facts
        share, slow_share, age_hours = facts[rows].unbind(-1)
        return realtime_features(share, slow_share, age_hours, known[rows])


def realtime_of(popularity: PopularitySnapshot, rows: Mapping[str, int], *, half_life_ms: float = math.inf) -> Realtime:
    """What a snapshot of the popularity, with this half-life, says of the items that have rows; others are left out."""
    popular = np.array([rows.get(item, 0) for item in popularity.item_ids], np.int64)
    shares = shares_at(popularity).astype(np.float32)
    age = np.maximum(popularity.as_of - np.array(popularity.first_seen, np.int64), 0) / 3_600_000
    facts = np.concatenate([shares[Place.ANYWHERE], age[:, None].astype(np.float32)], 1)
    kept = popular > 0
    return Realtime(
        popular=torch.from_numpy(popular[kept]),
        facts=torch.from_numpy(facts[kept]),
        placed=torch.from_numpy(shares[1:, kept]),
        clicks=tuple(clicks_at(popularity)[:, 0].tolist()),
        as_of=popularity.as_of,
        half_life_ms=half_life_ms,
    )


def idle_facts(device: torch.device) -> Tensor:
    """The facts of an item that is not listed, float32 (3,)."""
    return torch.tensor([0.0, 0.0, OLD_HOURS], device=device)


def realtime_features(share: Tensor, slow_share: Tensor, age_hours: Tensor, known: Tensor) -> Tensor:
    """Real-time features of candidates, float32 (..., REALTIME_FEATURES).

    Args:
        share: the item's share of the decayed clicks of all items, 0 where it has none.
        slow_share: the same with a half-life ``SLOW`` times as long.
        age_hours: hours since the item's first click.
        known: 1 where the item has a row of its own, else 0.
    """
    fast, slow = (torch.log(part + 1e-5) / LOG_SHARE + SHARE_ONE for part in (share, slow_share))
    return torch.stack([fast, slow, torch.log1p(age_hours) / 4, known], dim=-1)
