"""MoS, Mixture of Sequence: a global, a short-term and theme experts over one user's history.

After the idea of "Mixture of Sequence: Theme-Aware Mixture-of-Experts for Long-Sequence Recommendation" (Lin et al.,
WWW 2026), of which only the abstract was available: sessions are routed to themes, and experts of three kinds read
the whole, the latest and the theme-coherent subsequences. Everything below that idea is this project's own design.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from mos_online.model.backbone import make_backbone
from mos_online.model.config import MosConfig
from mos_online.model.histories import AGE_BUCKETS, GATE_FEATURES, Histories, last
from mos_online.model.items import ItemTable

CLOSED = -2.0
"""Bias that the gates start with: nearly closed, so that an expert must earn its say."""


@dataclass(frozen=True, kw_only=True)
class Users:
    """States of B users.

    Attributes:
        vectors: float32 (B, K + 1, d); [:, k] scores the items of theme k, [:, 0] the unrouted ones.
        repeats, theme_repeats: float32 (B, T) and (M, n), what each past event adds to the score of its own item.
        theme_shares: float32 (M,), gate times length of each theme expert's vector.
    """

    vectors: Tensor
    repeats: Tensor
    theme_repeats: Tensor
    theme_shares: Tensor


class MoS(nn.Module):
    """Scores every item by the user vector of the item's own theme.

    With g the global expert (the backbone on the last events), h_s the short-term expert (on the last few), h_k the
    theme expert (one encoder for all themes, on the ring of theme k):

        u_0 = g + sigmoid(gamma_s) h_s
        u_k = u_0 + 1[n_k > 0] sigmoid(gamma_k) h_k
        score(x) = <u_theme(x), e_x> + b(x, t) + repeat(x)

    gamma_s and gamma_k are linear in [g, features of the theme], start at ``CLOSED``, and the experts add to g, never
    displace it. e_x and b(x, t) depend on how alive the item is now (`mos_online.model.live`); repeat(x) sums a
    learned weight by age over the user's past events with x.
    """

    def __init__(self, config: MosConfig, *, items: int, categories: int) -> None:
        """A model with random weights; ``items`` and ``categories`` do not count the row of the unknown."""
        super().__init__()
        self.config = config
        d = config.dimensions
        self.items = ItemTable(
            items=items, categories=categories, themes=config.themes, dimensions=d, unknown=config.unknown
        )
        self.age = nn.Embedding(AGE_BUCKETS, d)
        self.theme = nn.Embedding(config.themes + 1, d)
        self.anyone = nn.Parameter(torch.zeros(d))
        self.global_expert = make_backbone(
            config.backbone, dimensions=d, length=config.recent, dropout=config.dropout
        )
        self.short_expert = make_backbone(config.backbone, dimensions=d, length=config.short, dropout=config.dropout)
        self.theme_expert = make_backbone(config.backbone, dimensions=d, length=config.theme, dropout=config.dropout)
        self.short_gate = nn.Linear(d, 1)
        self.theme_gate = nn.Linear(d + GATE_FEATURES, 1)
        self.repeat = nn.Embedding(AGE_BUCKETS, 1)
        self.theme_repeat = nn.Embedding(AGE_BUCKETS, 1)
        with torch.no_grad():
            for table in (self.age, self.theme):
                nn.init.normal_(table.weight, std=0.05)
            for weights in (self.repeat.weight, self.theme_repeat.weight):
                weights.zero_()
            for gate in (self.short_gate, self.theme_gate):
                gate.weight.zero_()
                gate.bias.fill_(CLOSED)

    def users(self, histories: Histories, rows: Tensor) -> Users:
        """Encode users.

        Args:
            histories: of B users.
            rows: float32 (N, d) item rows that the histories point into.
        """
        h = histories
        x = rows[h.items] + self.age(h.ages)
        g = self.global_expert(x, h.mask) + self.anyone
        recent_items, recent_ages, recent_mask = last(h.items, h.ages, h.mask, self.config.short)
        short = self.short_expert(rows[recent_items] + self.age(recent_ages), recent_mask)
        base = g + torch.sigmoid(self.short_gate(g)) * short

        y = rows[h.theme_items] + self.age(h.theme_ages) + self.theme(h.theme).unsqueeze(1)
        themes = self.theme_expert(y, h.theme_mask)
        gate = torch.sigmoid(self.theme_gate(torch.cat([g[h.owner], h.gates], 1)))
        added = gate * themes
        vectors = base.unsqueeze(1).repeat(1, self.config.themes + 1, 1)
        vectors = vectors.index_put((h.owner, h.theme), added, accumulate=True)
        return Users(
            vectors=vectors,
            repeats=self.repeat(h.ages).squeeze(2) * h.mask,
            theme_repeats=self.theme_repeat(h.theme_ages).squeeze(2) * h.theme_mask,
            theme_shares=added.norm(dim=1),
        )


def score(users: Users, histories: Histories, rows: Tensor, bias: Tensor, starts: list[int]) -> Tensor:
    """Scores of C candidates, sorted by theme: float32 (B, C); one matrix product per theme.

    Args:
        users: states of B users.
        histories: the same users' histories.
        rows: float32 (N, d) item rows, of which the first C are the candidates.
        bias: float32 (N,).
        starts: K + 2 numbers; the candidates of theme k are ``starts[k]:starts[k + 1]``, and C is the last.
    """
    scores = torch.cat(
        [
            torch.addmm(bias[begin:end], users.vectors[:, theme], rows[begin:end].T)
            for theme, (begin, end) in enumerate(pairwise(starts))
        ],
        1,
    )
    count = starts[-1]
    h = histories
    again = users.repeats * (h.items < count)
    scores = scores.scatter_add(1, h.items.clamp(max=count - 1), again)
    again = users.theme_repeats * (h.theme_items < count)
    owner = h.owner.unsqueeze(1).expand_as(h.theme_items)
    return scores.index_put((owner, h.theme_items.clamp(max=count - 1)), again, accumulate=True)
