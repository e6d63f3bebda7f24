"""The scores of a model, mixed with what neighbours and popularity say, by learned weights.

p(x) = l_model p_model(x) + l_neighbours p_neighbours(x) + l_recent p_recent(x) + l_slow p_slow(x). The four weights of
a user add up to 1 and depend on facts about the user: a mixture of experts (Jacobs et al. 1991) whose experts count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from mos_online.model.co_clicks import FACTS, Evidence, neighbour_chances
from mos_online.model.realtime import Realtime

NEIGHBOURS, RECENT, SLOW = range(3)
"""What is mixed with the model: neighbours, and popularity at its two half-lives."""

SOURCES = 3

LEAST = 1e-30
"""Shares are divided by no less: if no listed item was clicked lately, none has a recent chance."""


@dataclass(frozen=True, kw_only=True)
class PopularityChances:
    """Log p of the popular candidates at one moment.

    Attributes:
        columns: int64 (n,), of the scores.
        recent, slow: float32 (n,), log of each one's share of the clicks on all of them, by the two half-lives.
    """

    columns: Tensor
    recent: Tensor
    slow: Tensor

    @classmethod
    def of(cls, now: Realtime, slot: Tensor) -> Self:
        """Of what is popular; ``slot``: int64 (items + 1,), the column of each row, -1 for those that are none."""
        columns = slot[now.popular]
        listed = columns >= 0
        shares = now.facts[listed, :2]
        logs = (shares / shares.sum(0).clamp(min=LEAST)).log()
        return cls(columns=columns[listed], recent=logs[:, 0], slow=logs[:, 1])


class Mixing(nn.Module):
    """Mixes sources into the scores; until the weights have been learned, it changes no score.

    The weight of a source, over that of the model, is exp(weights . facts). Its numbers are buffers: gradient descent
    on the model's loss, which knows no other sources, does not touch them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(SOURCES, FACTS))
        self.register_buffer("learned", torch.zeros(1))
        self.weights: Tensor
        self.learned: Tensor

    def set_weights(self, weights: Tensor) -> None:
        """Mix by these weights, float32 (SOURCES, FACTS), from now on."""
        self.weights.copy_(weights)
        self.learned.fill_(1)

    def log_odds(self, evidence: Evidence) -> Tensor:
        """Log of the weight of each source over that of the model, float32 (B, SOURCES)."""
        return evidence.facts @ self.weights.T

    def mix(
        self,
        scores: Tensor,
        evidence: Evidence,
        popular: Sequence[PopularityChances],
        sizes: Sequence[int],
        slot: Tensor,
        unknown: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mix the sources into scores (B, C), which are the model's log p(x) up to a constant of the user.

        The results are log of the mixed p(x), up to another constant of the user.

        Args:
            scores: float32 (B, C).
            evidence: of the same users.
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
        popularised = _with_popularity(scores, odds, popular, sizes)
        if not len(evidence.rows):
            return popularised, popularised
        rows, columns, log_chance, _ = neighbour_chances(evidence, slot, scores.shape[1], unknown)
        added = odds[rows, NEIGHBOURS] + log_chance
        mixed = popularised.index_put((rows, columns), torch.logaddexp(popularised[rows, columns], added))
        return mixed, popularised


def _with_popularity(
    scores: Tensor, odds: Tensor, popular: Sequence[PopularityChances], sizes: Sequence[int]
) -> Tensor:
    """The scores (B, C) with both kinds of popularity; ``odds``: see ``Mixing.mix``, float32 (B, SOURCES)."""
    mixed, begin = scores.clone(), 0
    for now, size in zip(popular, sizes, strict=True):
        part, of_source = mixed[begin : begin + size], odds[begin : begin + size]
        both = torch.logaddexp(of_source[:, RECENT, None] + now.recent, of_source[:, SLOW, None] + now.slow)
        part[:, now.columns] = torch.logaddexp(part[:, now.columns], both)
        begin += size
    return mixed
