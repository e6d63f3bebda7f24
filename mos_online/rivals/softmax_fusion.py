"""MoS with the obvious fusion: a softmax over the experts. A negative result, kept for the table."""

from __future__ import annotations

import torch
from torch import Tensor

from mos_online.model.batch import Batch
from mos_online.model.mos import MoS
from mos_online.model.sequence_model import UserVectors


class SoftmaxFusion(MoS):
    """u_k = softmax(0, gamma_s, gamma_k) . (g, h_s, h_k): an expert displaces the others instead of adding to them."""

    def encode(self, batch: Batch) -> UserVectors:
        """As ``MoS.encode``, fused otherwise; for backbones that do not read the candidate.

        Raises:
            ModelError: the backbone reads the candidate.
        """
        if self.target_aware:
            return super().encode(batch)
        events = self.dropout(self.event_rows(batch.items, batch.ages))
        overall = self._global(events, batch.mask, None)
        short, short_gate = self._short(overall, events, batch.mask)
        parts = torch.stack([overall, short], 1).unsqueeze(1).repeat(1, self.config.themes + 1, 1, 1)
        logits = torch.stack([torch.zeros_like(short_gate[:, 0]), torch.logit(short_gate[:, 0])], 1)
        logits = logits.unsqueeze(1).repeat(1, self.config.themes + 1, 1)
        third, closed = torch.zeros_like(parts[:, :, :1]), torch.full_like(logits[:, :, :1], -torch.inf)
        facts = self._facts(batch)
        bias = self.theme_prior(facts, overall, self.theme.weight)
        if len(batch.ring_user):
            at = (batch.ring_user, batch.ring_theme)
            gate = self._theme_gate(batch, facts, overall[batch.ring_user])
            state = self.theme_expert(self._ring_rows(batch), batch.ring_mask)
            third = third.index_put(at, state.unsqueeze(1))
            closed = closed.index_put(at, torch.logit(gate))
        weights: Tensor = torch.cat([logits, closed], 2).softmax(2)
        themed = (weights.unsqueeze(3) * torch.cat([parts, third], 2)).sum(2)
        return UserVectors(themed=themed, bias=bias, base=overall, gates=weights[:, :, 2].detach())
