"""Corrects a model whose expectation of what is clicked is not what is clicked any more.

A model learns how popular items are, and remembers it when they are popular no longer. What it expects of each item,
averaged over the users who ask, can be compared with what all users click, which popularity counts. The scores are
corrected by the logarithm of the ratio. A classifier whose classes have other shares than in training is corrected so,
too (Saerens, Latinne & Decaestecker 2002, eq. 2.4). But there the divisor is the share of training. Here it is what is
expected of today's users, which knows a part of the change already. So this corrects less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mos_online.items.places import Place
from mos_online.model.mixing import BY_PLACE
from mos_online.model.popularity import PopularityChances, PopularNow

CLICKS = 3.0
"""So many clicks of an item are added on both sides: an item that hardly anybody clicks is not corrected by chance."""

USERS = 10.0
"""So many users who ask count as much as what is assumed: after a start nothing is corrected."""

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

    def copied(self, kept: int) -> Expectation:
        """The same of the first ``kept`` rows, which goes its own way from now on; any thread may ask for it.

        It lacks the users who have asked since the correction was last made.
        """
        shares, twin = self._shares.clone(), Expectation(len(self._shares), self._shares.device)
        twin._shares[:kept] = shares[:kept]
        twin._users, twin._as_of = float(shares.sum()), self._as_of
        return twin

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
            chances = known[counted[users]].softmax(1)
            chances = chances[chances.sum(1).isfinite()]
            scores[users] += self._at(now, rows)
            if len(chances):
                self._learn(chances.sum(0), rows, len(chances), now)
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
        expected = self._shares[rows] / max(self._users, 1e-9)
        live, listed = torch.zeros_like(expected), torch.zeros_like(expected, dtype=torch.bool)
        live[now.columns], listed[now.columns] = now.shares, True
        # Of the others only their sum is known, and that hardly any has more than the last one that is listed.
        others = expected[~listed]
        share = (1 - now.shares.sum()).clamp(min=0) / others.sum().clamp(min=1e-12)
        live[~listed] = (share * others).clamp(max=now.others)
        faded = self._users * self._fading(now)
        expected = (faded * expected + USERS * live) / (faded + USERS)
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


class Expectations:
    """What a model expects of all users who asked, and what is still expected once that has been corrected.

    One correction does not go all the way where users differ: it is the first step of an iteration, EM (Saerens et al.
    2002, section 2.2). So there is a second one, by what is expected after the first: of all users, or of those at each
    place of a session by themselves. Where few have asked at a place, or little is clicked there, it adds little.
    By one thread.
    """

    def __init__(self, rows: int, device: torch.device | None = None) -> None:
        """Nobody has asked yet; ``rows``, ``device``: see ``Expectation``."""
        self._first = Expectation(rows, device)
        self._then = [Expectation(rows, device) for _ in Place]

    def copied(self, kept: int) -> Expectations:
        """As ``Expectation.copied``, of each."""
        twin = Expectations(0)
        twin._first, twin._then = self._first.copied(kept), [one.copied(kept) for one in self._then]
        return twin

    def correct(
        self,
        how: int,
        scores: Tensor,
        popular: Sequence[PopularNow],
        sizes: Sequence[int],
        rows: Tensor,
        counted: Tensor,
        places: Tensor,
        unknown: Tensor | None = None,
    ) -> None:
        """Correct scores (B, C) in place, and learn from them; see ``Expectation.correct``.

        Args:
            how: the second step, ``BY_ALL`` or ``BY_PLACE``.
            scores, popular, sizes, rows, counted, unknown: see there.
            places: int64 (B,), the ``Place`` of each user. Who is anywhere is corrected by all.
        """
        anywhere = [one.at(Place.ANYWHERE) for one in popular]
        self._first.correct(scores, anywhere, sizes, rows, counted, unknown)
        if how != BY_PLACE or not places.any():
            self._then[Place.ANYWHERE].correct(scores, anywhere, sizes, rows, counted, unknown)
            return
        for place, then in zip(Place, self._then, strict=True):
            here = places == place
            if not here.any():
                continue
            part, of_part = scores[here], None if unknown is None else unknown[here]
            placed = torch.stack([one.sum() for one in here.split(list(sizes))]).tolist()
            now = [one.at(place) for one, users in zip(popular, placed, strict=True) if users]
            then.correct(part, now, [users for users in placed if users], rows, counted[here], of_part)
            scores[here] = part
