"""Attentive pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mos_online.model.backbone import Backbone, backbone, from_newest, pooled


@backbone("pooling")
class AttentivePooling(Backbone):
    """A weighted mean of the events, weights by a small network (Lin et al., ICLR 2017, eq. 5; one row of weights).

    The weights see an event's row and its place counted from the newest; the mean is of the rows alone, so the state
    lies where the items do, trained or not. A third of the products of a GRU.
    """

    def __init__(self, width: int, longest: int) -> None:
        super().__init__(width, longest)
        self.place = nn.Embedding(longest, width)
        nn.init.normal_(self.place.weight, std=0.02)
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, 1, bias=False)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """(B, T, d), (B, T) -> (B, d)."""
        if events.shape[1] == 0:
            return events.new_zeros(events.shape[0], events.shape[2])
        place = self.place(from_newest(mask, self.place.num_embeddings))
        logits = self.second(torch.tanh(self.first(events + place))).squeeze(2)
        return pooled(logits.unsqueeze(1), events, mask).squeeze(1)
