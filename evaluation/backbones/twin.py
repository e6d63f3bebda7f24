"""TWIN."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mos_online.model.backbone import Backbone, backbone, candidates_of, check_heads


@backbone("twin")
class TWIN(Backbone):
    """Two-stage interest network (Chang et al., KDD 2023): the same target attention searches and reads.

    The first stage ranks all events by the attention that the second would give them (mean over heads) and passes the
    ``kept`` best on; the second is multi-head target attention over those. The last event is added, as in GRU4Rec.

    Raises:
        ModelError: the width is no multiple of the heads.
    """

    target_aware = True

    def __init__(self, width: int, longest: int, heads: int = 2, kept: int = 20) -> None:
        super().__init__(width, longest)
        check_heads(width, heads, "TWIN")
        self.heads, self.kept = heads, kept
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the user's state for each candidate: events (B, T, d), mask (B, T), target (B, C, d) -> (B, C, d)."""
        target = candidates_of(target, "TWIN")
        rows, length, width = events.shape
        if length == 0:
            return torch.zeros_like(target)
        events = events.masked_fill(~mask.unsqueeze(2), 0.0)
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(target), self.key(events), self.value(events))
        )
        logits = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        logits = logits.masked_fill(~mask[:, None, None], -1e9)
        if length > self.kept:
            searched = logits.mean(1)
            least = searched.topk(self.kept, dim=2).values[..., -1:]
            logits = logits.masked_fill((searched < least).unsqueeze(1), -1e9)
        read = (logits.softmax(3) @ value).transpose(1, 2).flatten(2)
        last = events[torch.arange(rows), (mask.sum(1) - 1).clamp(min=0)]
        state: Tensor = (self.out(read) + last.unsqueeze(1)) * mask.any(1).view(-1, 1, 1)
        return state
