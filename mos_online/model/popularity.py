"""What popularity says: which of the listed items is clicked next, at the start of a session, inside one, or at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mos_online.items.places import Place
from mos_online.model.realtime import Realtime

LEAST = 1e-30
"""Shares are divided by no less: if no listed item was clicked lately, none has a recent chance."""


@dataclass(frozen=True, kw_only=True)
class PopularityChances:
    """Log p of the popular candidates at one moment.

    Attributes:
        columns: int64 (n,), of the scores.
        logs: float32 (2, n), log of each one's share of the clicks on all of them, by the two half-lives.
        shares: float32 (n,), of the clicks on all items, by the shorter one.
        others: hardly any item that is not listed has a greater share.
        clicks, as_of, half_life_ms: see ``Realtime``.
    """

    columns: Tensor
    logs: Tensor
    shares: Tensor
    others: float
    clicks: float
    as_of: int
    half_life_ms: float

    @classmethod
    def of(cls, now: Realtime, slot: Tensor, place: Place = Place.ANYWHERE) -> Self:
        """Of what is popular; ``slot``: int64 (items + 1,), the column of each row, -1 for those that are none."""
        columns = slot[now.popular]
        listed = columns >= 0
        shares = now.shares(place)[listed]
        # The last one that is listed may have no clicks at this place. So the bound is that of its clicks anywhere.
        least = float(now.facts[listed, 0].min()) if len(shares) else 0.0
        return cls(
            columns=columns[listed],
            logs=(shares / shares.sum(0).clamp(min=LEAST)).log().T,
            shares=shares[:, 0],
            others=min(least * now.clicks[Place.ANYWHERE] / max(now.clicks[place], 1e-9), 1.0),
            clicks=now.clicks[place],
            as_of=now.as_of,
            half_life_ms=now.half_life_ms,
        )


class PopularNow:
    """What popularity says at one moment of the clicks at each place.

    Attributes:
        columns: int64 (n,), of the scores, the same for all places.
        logs: float32 (3, 2, n), by place, as those of ``PopularityChances``; chances: exp of these.
    """

    def __init__(self, now: Realtime, slot: Tensor) -> None:
        """Of what is popular; ``slot``: see ``PopularityChances.of``."""
        self._of = tuple(PopularityChances.of(now, slot, place) for place in Place)
        self.columns = self._of[0].columns
        self.logs = torch.stack([one.logs for one in self._of])
        self.chances = self.logs.exp()

    def at(self, place: Place) -> PopularityChances:
        """Of the clicks at one place; the same object each time."""
        return self._of[place]
