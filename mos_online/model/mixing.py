"""The scores of a model, mixed with what neighbours and popularity say, by learned weights.

p(x) = l_model p_model(x) + l_neighbours p_neighbours(x) + l_recent p_recent(x) + l_slow p_slow(x). The four weights of
a user add up to 1 and depend on facts about the user: a mixture of experts (Jacobs et al. 1991) whose experts count.

The model knows how likely users come back to an item that they had. The others learn it here: their chances of such
items are multiplied by one number, and add up to 1 again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from mos_online.items.places import Place
from mos_online.model.batch import Batch
from mos_online.model.co_clicks import FACTS, Evidence, neighbour_chances
from mos_online.model.popularity import LEAST, PopularNow

NEIGHBOURS, RECENT, SLOW = range(3)
"""What is mixed with the model: neighbours, and popularity at its two half-lives."""

SOURCES = 3

LAST = 1e4
"""The scores of items that are to come last are so much lower."""

NOT, BY_ALL, BY_PLACE = range(3)
"""How the scores of the model are corrected before, see ``Expectations``: not at all, by all clicks, or by those at the
same place of a session, its start or inside."""


class Calibration(NamedTuple):
    """How the scores of the model are calibrated before anything is mixed in.

    Attributes:
        sharpness: the scores are multiplied by it: an inverse temperature (Guo et al. 2017, section 4.2). A model that
            has learned from few clicks is surer than it should be, and hides what the other sources say.
        corrected: how they are corrected then: ``NOT``, ``BY_ALL`` or ``BY_PLACE``.
    """

    sharpness: float = 1.0
    corrected: int = NOT

    def sharpen(self, scores: Tensor) -> None:
        """Multiply scores in place."""
        if self.sharpness != 1:
            scores *= self.sharpness


UNCALIBRATED = Calibration()


class Mixing(nn.Module):
    """Mixes sources into the scores; until the weights have been learned, it changes no score.

    The weight of a source, over that of the model, is exp(weights . facts). Its numbers are buffers: gradient descent
    on the model's loss, which knows no other sources, does not touch them.
    """

    def __init__(self, gap_ms: int) -> None:
        """Mix nothing; ``gap_ms``: a session ends when its user is silent for longer."""
        super().__init__()
        self.gap_ms = gap_ms
        self.register_buffer("weights", torch.zeros(SOURCES, FACTS))
        self.register_buffer("again", torch.zeros(1))
        self.register_buffer("learned", torch.zeros(1))
        self.register_buffer("sharpness", torch.ones(1))
        self.register_buffer("corrected", torch.zeros(1))
        self.weights: Tensor
        self.again: Tensor
        self.learned: Tensor
        self.sharpness: Tensor
        self.corrected: Tensor

    def set_weights(self, weights: Tensor, again: float = 0.0, calibration: Calibration = UNCALIBRATED) -> None:
        """Mix like this from now on.

        Args:
            weights: float32 (SOURCES, FACTS).
            again: log of what the chances of items that a user had are multiplied by, in all sources.
            calibration: of the scores of the model.
        """
        self.weights.copy_(weights)
        self.again.fill_(again)
        self.learned.fill_(1)
        self.sharpness.fill_(calibration.sharpness)
        self.corrected.fill_(float(calibration.corrected))

    @property
    def calibration(self) -> Calibration:
        """How the scores of the model are calibrated before; until that has been learned, not at all."""
        return Calibration(self.sharpness.item(), int(self.corrected.item())) if self.learned else UNCALIBRATED

    def places(self, batch: Batch) -> Tensor:
        """The ``Place`` of B users, int64 (B,): the start of a session if they did nothing for longer than the gap."""
        starts = (batch.mask.sum(1) == 0) | (batch.newest_age > self.gap_ms / 1000)
        return torch.where(starts, int(Place.START), int(Place.INSIDE))

    def log_odds(self, evidence: Evidence) -> Tensor:
        """Log of the weight of each source over that of the model, float32 (B, SOURCES)."""
        return evidence.facts @ self.weights.T

    @property
    def delay_ms(self) -> int:
        """How much later than the request the user is expected (ms)."""
        return 0

    def ordered(self, scores: Tensor, batch: Batch, slot: Tensor) -> Tensor:
        """The scores (B, C) of ``mix``, by which the candidates are ordered.

        Args:
            scores: float32 (B, C).
            batch: the users.
            slot: see ``mix``.
        """
        return scores

    def mix(
        self,
        scores: Tensor,
        batch: Batch,
        evidence: Evidence,
        popular: Sequence[PopularNow],
        sizes: Sequence[int],
        slot: Tensor,
        unknown: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mix the sources into scores (B, C), which are the model's log p(x) up to a constant of the user.

        The results are log of the mixed p(x), up to another constant of the user.

        Args:
            scores: float32 (B, C); changed in place, since a copy would cost as much as all else.
            batch: the users; evidence: of them.
            popular: at the moment of the first users, at that of the next ones, and so on; sizes: how many these are.
            slot: int64 (items + 1,), the column of each item row, -1 for those that are no candidates.
            unknown: bool (B, C), items that are no candidates of a user; None: all are. No popular item is unknown.

        Returns:
            float32 (B, C): the mixture, and the mixture without neighbours.
        """
        if not self.learned:
            return scores, scores
        level = (scores if unknown is None else scores.masked_fill(unknown, -torch.inf)).logsumexp(1, keepdim=True)
        odds = level + self.log_odds(evidence)
        had = had_before(batch, slot, scores.shape[1])
        self._add_popularity(scores, odds, had, evidence.places, popular, sizes)
        if not len(evidence.rows):
            return scores, scores
        rows, columns, log_chance, entries = neighbour_chances(evidence, slot, scores.shape[1], unknown)
        again = had[rows, columns]
        share = had_share(evidence, rows, entries, again)
        added = odds[:, NEIGHBOURS] - left_over(self.again, share)
        added = added[rows] + log_chance + self.again * again
        return scores.index_put((rows, columns), torch.logaddexp(scores[rows, columns], added)), scores

    def _add_popularity(
        self,
        scores: Tensor,
        odds: Tensor,
        had: Tensor,
        places: Tensor,
        popular: Sequence[PopularNow],
        sizes: Sequence[int],
    ) -> None:
        """Mix both kinds of popularity into scores (B, C): those of the place of each user.

        ``odds`` (B, SOURCES) and ``had`` (B, C): see ``mix``; ``places``: int64 (B,).
        """
        begin = 0
        for now, size in zip(popular, sizes, strict=True):
            users = slice(begin, begin + size)
            part, again = scores[users], had[users, now.columns]
            logs, chances = now.logs[places[users]], now.chances[places[users]]
            both = torch.full_like(again, -torch.inf, dtype=scores.dtype)
            for number, source in enumerate((RECENT, SLOW)):
                of_users = odds[users, source] - left_over(self.again, (again * chances[:, number]).sum(1))
                both = torch.logaddexp(both, of_users.unsqueeze(1) + logs[:, number] + self.again * again)
            part[:, now.columns] = torch.logaddexp(part[:, now.columns], both)
            begin += size


class MixingAhead(Mixing):
    """Mixes sources into lists that are made when a session closes, for the user's next one.

    That one comes some time later. The model reads the users as they will be then: their histories are older by that.
    Items that a user had come last if ``leaves_out`` is 1.
    """

    def __init__(self, gap_ms: int) -> None:
        """Mix nothing; ``gap_ms``: see ``Mixing``."""
        super().__init__(gap_ms)
        self.register_buffer("delay", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("leaves_out", torch.zeros(1))
        self.delay: Tensor
        self.leaves_out: Tensor

    @property
    def delay_ms(self) -> int:
        """How much later the next session is expected (ms)."""
        return int(self.delay.item())

    def places(self, batch: Batch) -> Tensor:
        """Anywhere: what sessions begin with now is not what they will begin with when the users come back."""
        return torch.full((len(batch.items),), int(Place.ANYWHERE), device=batch.items.device)

    def follow(self, mixing: Mixing) -> None:
        """Mix as into lists for now."""
        self.set_weights(mixing.weights, mixing.again.item(), mixing.calibration)
        self.delay.zero_()
        self.leaves_out.zero_()

    def move(self, begun: Mixing, now: Mixing) -> Self:
        """Keep what is different from lists for now, whose weights were ``begun`` and are ``now``."""
        if not self.learned:
            self.follow(now)
        else:
            weights, again = self.weights + now.weights - begun.weights, self.again + now.again - begun.again
            self.set_weights(weights, again.item(), now.calibration)
        return self

    def ordered(self, scores: Tensor, batch: Batch, slot: Tensor) -> Tensor:
        """The scores (B, C) of ``mix``, much lower for what a user had if that comes last."""
        return scores - LAST * had_before(batch, slot, scores.shape[1]) if self.leaves_out else scores


def had_before(batch: Batch, slot: Tensor, columns: int) -> Tensor:
    """Which of C candidates are among the recent events of each user, bool (B, C)."""
    had = torch.zeros(len(batch.items), columns + 1, dtype=torch.bool, device=slot.device)
    had.scatter_(1, torch.where(batch.mask, slot[batch.items], columns) % (columns + 1), 1)
    return had[:, :columns]


def had_share(evidence: Evidence, rows: Tensor, entries: Tensor, again: Tensor) -> Tensor:
    """The share of the neighbours' chances that is on items that the user had, float32 (B,).

    Args:
        evidence: of B users.
        rows: int64 (m,), from ``neighbour_chances``, as are ``entries``.
        entries: int64 (m,).
        again: bool (m,), whether the user had the neighbour.
    """
    chances, nothing = evidence.chances[entries], torch.zeros(len(evidence.facts), device=rows.device)
    whole = nothing.index_add(0, rows, chances)
    return nothing.index_add(0, rows, chances * again) / whole.clamp(min=LEAST)


def left_over(again: Tensor, share: Tensor) -> Tensor:
    """Log of what chances add up to, (B,), when those of the share on items that a user had are multiplied.

    Args:
        again: a scalar or (1,), log of what they are multiplied by.
        share: (B,), from 0 to 1.
    """
    return torch.log1p(torch.expm1(again) * share.clamp(max=1 - 1e-6))
