"""SASRec's encoder: causal self-attention (Kang & McAuley, ICDM 2018), pre-norm, positions counted from the end."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mos_online.model.backbone import Backbone, register

BLOCKS, HEADS = 2, 2


class _Block(nn.Module):
    """Attention and a two-layer network, each with a residual; matmuls only, so that FLOPs can be counted."""

    def __init__(self, dimensions: int, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(dimensions)
        self.qkv = nn.Linear(dimensions, 3 * dimensions)
        self.project = nn.Linear(dimensions, dimensions)
        self.before_network = nn.LayerNorm(dimensions)
        self.network = nn.Sequential(
            nn.Linear(dimensions, 2 * dimensions), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dimensions, dimensions)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dimensions = x.shape
        heads = self.qkv(self.before_attention(x)).view(batch, length, 3, HEADS, dimensions // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        # Padding comes last, so causality alone keeps it out of every event's view.
        attended = scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.dropout(self.project(attended.transpose(1, 2).reshape(batch, length, dimensions)))
        grown: Tensor = x + self.dropout(self.network(self.before_network(x)))
        return grown


@register("sasrec")
class SASRec(Backbone):
    """The last event's state after two blocks of causal self-attention."""

    def __init__(self, *, dimensions: int, length: int, dropout: float) -> None:
        super().__init__()
        self.position = nn.Embedding(length, dimensions)
        nn.init.normal_(self.position.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dimensions, dropout) for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(dimensions)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode (B, T, d) under mask (B, T) -> (B, d)."""
        if x.shape[1] == 0:
            return x.new_zeros(x.shape[0], x.shape[2])
        last = mask.sum(1, keepdim=True) - 1
        # Counted from the end: an event that leaves the ring must not move all the others.
        from_end = (last - torch.arange(x.shape[1], device=x.device)).clamp(min=0)
        x = self.dropout(x * mask.unsqueeze(2) + self.position(from_end))
        for block in self.blocks:
            x = block(x)
        ends = x.gather(1, last.clamp(min=0).unsqueeze(2).expand(-1, 1, x.shape[2])).squeeze(1)
        encoded: Tensor = self.norm(ends) * mask[:, :1]
        return encoded
