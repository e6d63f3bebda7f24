"""MoS, Mixture of Sequence: a softmax mixes the states of a global, a short-term and a theme expert.

Sessions that hop between themes are routed into theme-coherent subsequences (idea: arXiv 2604.20858). Encoders, gates,
top-K form and the real-time features are our design; docs/model.md says which is which.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mos_online.model.backbone import Backbone, at_place, build_backbone
from mos_online.model.backbones.pooling import AttentivePooling
from mos_online.model.batch import Batch
from mos_online.model.config import MoSConfig
from mos_online.model.repeats import RepeatBias
from mos_online.model.sequence_model import SequenceModel
from mos_online.model.theme_prior import RECENT_FACTS, ThemePrior, theme_facts
from mos_online.model.user_vectors import PairVectors, UserVectors

CLOSED = -2.0
"""Initial gamma: e^-2 = 0.14 of an expert's state is added to one whole global state."""
MOST_OPEN = 8.0
"""Greatest gamma: e^8 beside the global state's 1, and no overflow."""


class MoS(SequenceModel):
    """u_x = softmax(0, gamma_s, gamma_k) . (g, h_s, h_k), and a bias beta_k; k is the candidate's theme.

    g is the backbone's state of the recent events, h_s an attentive mean of the last few, h_k one of the ring of theme
    k, by weights that all themes share; an expert without events is left out. The gammas start low: at first u_x is
    nearly g, and an expert displaces it only where it earns that. beta_k is the theme's prior, see ``ThemePrior``.

    >>> model = MoS(backbone="sasrec", items=100, themes=4, width=16)
    >>> [gate.bias.item() for gate in (model.short_gate, model.theme_gate)]
    [-2.0, -2.0]
    """

    def __init__(self, config: MoSConfig | None = None, **sizes: Any) -> None:
        """Build an untrained model.

        Args:
            config: all sizes; if it is None, they are given one by one.
            **sizes: the fields of ``MoSConfig``.

        Raises:
            ModelError: no backbone has that name, or a size is out of range.
        """
        config = config or MoSConfig(**sizes)
        super().__init__(config)
        d = config.width
        self.theme = nn.Embedding(config.themes + 1, d)
        nn.init.normal_(self.theme.weight, std=0.05)
        self.nobody = nn.Parameter(torch.zeros(d))
        self.global_expert = build_backbone(config.backbone, d, config.recent)
        self.short_expert: Backbone = AttentivePooling(d, config.short)
        self.theme_expert: Backbone = AttentivePooling(d, config.theme_ring)
        self.target_aware = self.global_expert.target_aware
        self.short_gate = nn.Linear(d + 1, 1)
        self.theme_gate = nn.Linear(2 * d + 6, 1)
        self.theme_prior = ThemePrior(d)
        for gate in (self.short_gate, self.theme_gate):
            nn.init.zeros_(gate.weight)
            nn.init.constant_(gate.bias, CLOSED)
        self.ring_repeat = RepeatBias()

    def encode(self, batch: Batch) -> UserVectors:
        """Mix the experts' states of B users into K + 1 vectors each, see ``UserVectors``.

        Raises:
            ModelError: the backbone reads the candidate, so a user has no vectors without one.
        """
        if self.target_aware:
            return super().encode(batch)
        events = self.read_events(batch.items, batch.ages, batch.mask)
        overall = self._global(events, batch.mask, None)
        facts = self._facts(batch)
        total, weight, short = self._without_theme(batch, overall, events)
        themes = self.config.themes + 1
        totals = total.unsqueeze(1).repeat(1, themes, 1).flatten(0, 1)
        weights = weight.unsqueeze(1).repeat(1, themes, 1).flatten(0, 1)
        gates = overall.new_zeros(len(overall) * themes, 1)
        gates[::themes] = (short / weight).detach()
        if len(batch.ring_user):
            state = self.theme_expert(self._ring_rows(batch), batch.ring_mask)
            own, more = self.opened(self._theme_gamma(batch, facts, overall[batch.ring_user]))
            slot = batch.ring_user * themes + batch.ring_theme
            totals, weights = totals.index_add(0, slot, own * state), weights.index_add(0, slot, more)
            gates[slot] = (own / weights[slot]).detach()
        return UserVectors(
            themed=(totals / weights).view(len(overall), themes, -1),
            bias=self.theme_prior(facts, overall, self.theme.weight),
            base=overall,
            gates=gates.view(len(overall), themes),
        )

    def pair_vectors(self, batch: Batch, candidates: Tensor) -> PairVectors:
        """u_x (B, C, d) of candidates (B, C), each with the theme expert of its own theme; and g."""
        if not self.target_aware:
            return super().pair_vectors(batch, candidates)
        target = self.item_rows(candidates)
        events = self.read_events(batch.items, batch.ages, batch.mask)
        overall = self._global(events, batch.mask, target)
        total, weight, _ = self._without_theme(batch, overall, events)
        ring = candidates.new_full((len(candidates), self.config.themes + 1), -1)
        ring[batch.ring_user, batch.ring_theme] = torch.arange(len(batch.ring_user), device=ring.device)
        themes = self.item_theme[candidates]
        facts = self._facts(batch)
        biases = self.theme_prior(facts, overall, self.theme.weight)
        bias = biases.gather(2, themes.unsqueeze(2)).squeeze(2)
        ring = ring.gather(1, themes)
        row, column = torch.nonzero(ring >= 0, as_tuple=True)
        if len(row):
            wanted = ring[row, column]
            state = self.theme_expert(self._ring_rows(batch), batch.ring_mask)[wanted]
            own, more = self.opened(self._theme_gamma(batch, facts, overall[row, column], wanted))
            total = total.index_put((row, column), own * state, accumulate=True)
            weight = weight.index_put((row, column), more, accumulate=True)
        return PairVectors(vectors=total / weight, bias=bias, base=overall)

    def opened(self, gamma: Tensor) -> tuple[Tensor, Tensor]:
        """The weight of an expert's state beside the global one's 1, and what it adds to the divisor: here the same."""
        weight = gamma.clamp(max=MOST_OPEN).exp()
        return weight, weight

    def _repeats(self, batch: Batch, slot: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Also for the events of the rings: they reach further back, so they have biases of their own."""
        recent = super()._repeats(batch, slot)
        columns = slot[batch.ring_items]
        rows, at = torch.nonzero((columns >= 0) & batch.ring_mask, as_tuple=True)
        rings = batch.ring_user[rows], columns[rows, at], self.ring_repeat(batch.ring_ages[rows, at])
        rows, columns, bias = (torch.cat(pair) for pair in zip(recent, rings, strict=True))
        return rows, columns, bias

    def _pair_repeats(self, batch: Batch, candidates: Tensor) -> Tensor:
        again = (batch.ring_items.unsqueeze(1) == candidates[batch.ring_user].unsqueeze(2)) & batch.ring_mask.unsqueeze(
            1
        )
        bias = (again * self.ring_repeat(batch.ring_ages).unsqueeze(1)).sum(2)
        return super()._pair_repeats(batch, candidates).index_add(0, batch.ring_user, bias)

    def _global(self, events: Tensor, mask: Tensor, target: Tensor | None) -> Tensor:
        """g, (B, d) or with targets (B, C, d); a row of its own for who has no events."""
        state = self.global_expert(events, mask, target)
        known = mask.any(1).view(-1, *(1 for _ in state.shape[1:]))
        return torch.where(known, state, self.nobody)

    def _without_theme(self, batch: Batch, overall: Tensor, events: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The experts that no theme has: weighted sum of states, divisor (g's 1 included), the short one's weight.

        An expert that has nothing to read counts for nothing.
        """
        short = self.short_expert(*_tail(events, batch.mask, self.config.short))
        if overall.dim() == 3:
            short = short.unsqueeze(1)
        own, more = self._opened_by(self.short_gate, overall, batch.mask)
        return overall + own * short, 1 + more, own

    def _opened_by(self, gate: nn.Module, overall: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What ``opened`` gives for an expert that reads the events of ``mask``, (B, n); 0 where there are none."""
        length = torch.log1p(mask.sum(1, keepdim=True).float())
        if overall.dim() == 3:
            length = length.unsqueeze(1).expand(-1, overall.shape[1], -1)
        weight, more = self.opened(gate(torch.cat([overall, length], -1)))
        return weight * (length > 0), more * (length > 0)

    def _ring_rows(self, batch: Batch) -> Tensor:
        """What the theme expert reads, (M, n, d)."""
        return self.read_events(batch.ring_items, batch.ring_ages, batch.ring_mask, self.theme(batch.ring_theme))

    def _facts(self, batch: Batch) -> Tensor:
        """What prior and gates know of the users' themes, (B, K + 1, FACTS)."""
        return theme_facts(batch, self.item_theme, themes=self.config.themes, short=self.config.short)

    def _theme_gamma(self, batch: Batch, known: Tensor, overall: Tensor, rings: Tensor | None = None) -> Tensor:
        """Gammas (P, 1) of rings (P,), all if None, for global states (P, d); ``known``: the prior's facts."""
        count = batch.ring_mask.sum(1)
        newest = at_place(batch.ring_ages, (count - 1).clamp(min=0))
        facts = torch.stack(
            [torch.log1p(count.float()), torch.log1p(newest) / 10, torch.log1p(batch.ring_sessions)], dim=1
        )
        facts = torch.cat([facts, known[batch.ring_user, batch.ring_theme, :RECENT_FACTS]], 1)
        name = self.theme(batch.ring_theme)
        if rings is not None:
            facts, name = facts[rings], name[rings]
        gamma: Tensor = self.theme_gate(torch.cat([overall, name, facts], 1))
        return gamma


def _tail(events: Tensor, mask: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The last ``size`` events of each row, events first: (B, min(size, T), d) and its mask."""
    size = min(size, events.shape[1])
    count = mask.sum(1, keepdim=True)
    at = (count - size).clamp(min=0) + torch.arange(size, device=mask.device)
    kept = at < count
    at = at.clamp(max=max(events.shape[1] - 1, 0))
    return events.gather(1, at.unsqueeze(-1).expand(-1, -1, events.shape[2])), kept
