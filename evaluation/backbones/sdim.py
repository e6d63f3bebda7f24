"""SDIM."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.backbone import Backbone, backbone, candidates_of


@backbone("sdim")
class SDIM(Backbone):
    """Sampling-based deep interest modelling (Cao et al., CIKM 2022): attention by hash collisions.

    Each of ``groups`` hash functions gives an event ``bits`` signs of fixed random projections; a candidate reads the
    sum of the events that share its signature, at unit length, averaged over the functions. The sums do not depend on
    the candidate and are additive, so a store could keep them per bucket and add events one by one. The last event is
    added, as in GRU4Rec, so that a candidate that collides with nothing is not left without a state.
    """

    target_aware = True

    def __init__(self, width: int, longest: int, groups: int = 16, bits: int = 2) -> None:
        super().__init__(width, longest)
        seeded = torch.Generator().manual_seed(width)
        self.register_buffer("projections", torch.randn(width, groups, bits, generator=seeded))
        self.projections: Tensor
        self.value = nn.Linear(width, width)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the user's state for each candidate: events (B, T, d), mask (B, T), target (B, C, d) -> (B, C, d)."""
        target = candidates_of(target, "SDIM")
        if events.shape[1] == 0:
            return torch.zeros_like(target)
        ours, theirs = self._signatures(events), self._signatures(target)
        collides = (theirs.unsqueeze(2) == ours.unsqueeze(1)) & mask[:, None, :, None]
        events = events.masked_fill(~mask.unsqueeze(2), 0.0)
        sums = torch.einsum("bctg,btd->bcgd", collides.to(events.dtype), self.value(events))
        last = events[torch.arange(len(events)), (mask.sum(1) - 1).clamp(min=0)]
        state = F.normalize(sums, dim=-1).mean(2) + last.unsqueeze(1)
        return state * mask.any(1).view(-1, 1, 1)

    def _signatures(self, rows: Tensor) -> Tensor:
        """Signatures (..., groups) of rows (..., d), whole numbers below 2^bits."""
        signs = torch.einsum("btd,dgk->btgk", rows, self.projections) > 0
        return (signs * 2 ** torch.arange(signs.shape[-1])).sum(-1)
