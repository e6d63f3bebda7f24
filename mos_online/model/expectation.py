"""Corrects a model whose expectation of what is clicked is not what is clicked any more.

A model learns how popular items are, and remembers it when they are popular no longer. What it expects of each item,
averaged over the users who ask, can be compared with what all users click, which popularity counts. The scores are
corrected by the logarithm of the ratio: the correction of a classifier whose classes have other shares than in training
(Saerens, Latinne & Decaestecker 2002, eq. 2.4), here with shares that are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mos_online.model.mixing import PopularityChances

CLICKS = 3.0
"""So many clicks of an item are added on both sides: an item that hardly anybody clicks is not corrected by chance."""

USERS = 50.0
"""So many users who ask count as much as the shares that are counted: after a start nothing is corrected."""


OUTDATED = 1.05
"""When so many times as many users have asked, the correction is made again: in service it is the same for a second."""


class _Correction(NamedTuple):
    """What is added to the scores, float32 (C,), when so many users have asked."""

    now: PopularityChances
    users: float
    added: Tensor


class Expectation:
    """What a model expects to be clicked, on average over the users who asked lately. By one thread.

    It forgets by event time, with the half-life of item popularity.
    """

    def __init__(self, rows: int, device: torch.device | None = None) -> None:
        """Nobody has asked yet.

        Args:
            rows: item rows, row 0 for no item among them.
            device: of the scores.
        """
        self._shares = torch.zeros(rows, device=device)
        self._to_add: tuple[Tensor, Tensor] | None = None
        self._users = 0.0
        self._as_of = 0
        self._newest: _Correction | None = None

    def correct(
        self,
        scores: Tensor,
        popular: Sequence[PopularityChances],
        sizes: Sequence[int],
        rows: Tensor,
        counted: Tensor,
        unknown: Tensor | None = None,
    ) -> None:
        """Correct scores (B, C), which are the model's log p(x) up to a constant of the user, and learn from them.

        Users of one moment are corrected by what was known before them.

        Args:
            scores: float32 (B, C); changed in place.
            popular: at the moment of the first users, at that of the next ones, and so on; sizes: how many these are.
            rows: int64 (C,), the item row of each column.
            counted: bool (B,), users whose scores are learned from.
            unknown: bool (B, C), items that are no candidates of a user; None: all are.
        """
        begin = 0
        for now, size in zip(popular, sizes, strict=True):
            users = slice(begin, begin + size)
            known = scores[users] if unknown is None else scores[users].masked_fill(unknown[users], -torch.inf)
            teach = known[counted[users]]
            scores[users] += self._at(now, rows)
            if len(teach):
                self._learn(teach.softmax(1).sum(0), rows, len(teach), now)
            begin += size

    def _at(self, now: PopularityChances, rows: Tensor) -> Tensor:
        """The correction, which is made again if something else is popular, or some more users have asked."""
        newest = self._newest
        if newest is None or newest.now is not now or self._users > OUTDATED * newest.users:
            newest = self._newest = _Correction(now, self._users, self._correction(now, rows))
        return newest.added

    def _correction(self, now: PopularityChances, rows: Tensor) -> Tensor:
        """What is added to the scores of each candidate, float32 (C,)."""
        self._add()
        live = torch.zeros(len(rows), device=rows.device)
        live[now.columns] = now.shares
        faded = self._users * self._fading(now)
        expected = (self._shares[rows] * (faded / max(self._users, 1e-9)) + USERS * live) / (faded + USERS)
        return ((now.clicks * live + CLICKS) / (now.clicks * expected + CLICKS)).log()

    def _learn(self, chances: Tensor, rows: Tensor, users: int, now: PopularityChances) -> None:
        if self._to_add is None or self._to_add[0] is not rows:
            self._add()
            self._to_add = rows, torch.zeros(len(rows), device=rows.device)
        if (fading := self._fading(now)) < 1:
            self._add()
            self._shares *= fading
        self._to_add[1].add_(chances)
        self._users = self._users * fading + users
        self._as_of = max(self._as_of, now.as_of)

    def _add(self) -> None:
        """Add what was kept in columns since the correction was made, which is quicker than row by row each time."""
        if self._to_add is not None:
            rows, chances = self._to_add
            self._shares[rows] += chances
            chances.zero_()

    def _fading(self, now: PopularityChances) -> float:
        return float(0.5 ** (max(now.as_of - self._as_of, 0) / now.half_life_ms))
