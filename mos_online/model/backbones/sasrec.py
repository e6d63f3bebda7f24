"""The backbone SASRec: causal self-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.backbone import Backbone, at_place, backbone, check_heads, from_newest
from mos_online.model.dropout import Dropout

QUIET = 0.05
"""The weight at which the last LayerNorm starts. At 1, states are so long that the scores of an untrained model lie
seven apart: training spends its time on undoing that."""


@backbone("sasrec")
class SASRec(Backbone):
    """Causal self-attention over the events (Kang & McAuley, ICDM 2018), two blocks.

    Positions count from the newest event, so that an old event's position does not depend on how much padding or
    forgotten history there is.

    Raises:
        ModelError: the width is no multiple of the heads.
    """

    def __init__(self, width: int, longest: int, blocks: int = 2, heads: int = 2, dropout: float = 0.2) -> None:
        super().__init__(width, longest)
        check_heads(width, heads, "SASRec")
        self.longest = longest
        self.position = nn.Embedding(longest, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList([_Block(width, heads, dropout) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, QUIET)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Encode events (B, T, d), T at most ``longest``, with mask (B, T) into states (B, d)."""
        length = events.shape[1]
        if length == 0:
            return events.new_zeros(events.shape[0], events.shape[2])
        hidden = self.dropout(events + self.position(from_newest(mask, self.longest)))
        # An event sees itself and what came before; padding comes last, so no event sees it.
        allowed = torch.ones(length, length, dtype=torch.bool, device=events.device).tril()
        for block in self.blocks[:-1]:
            hidden = block(hidden, hidden, allowed)
        # Of the last block only the state at the newest event is asked for. Who has none attends to padding.
        at = (mask.sum(1) - 1).clamp(min=0)
        newest = self.blocks[-1](
            at_place(hidden, at).unsqueeze(1), hidden, (mask | ~mask.any(1, keepdim=True))[:, None, None]
        )
        state: Tensor = self.norm(newest.squeeze(1)) * mask.any(1, keepdim=True)
        return state


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, events: Tensor, allowed: Tensor) -> Tensor:
        """States (B, Q, d) after they have read those of the events (B, T, d) that the mask allows."""
        query = self.query(self.before_attention(hidden)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        parts = self.key_value(self.before_attention(events)).unflatten(2, (2, self.heads, -1))
        key, value = parts.permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        hidden = hidden + self.dropout(self.out(read.transpose(1, 2).flatten(2)))
        out: Tensor = hidden + self.dropout(self.mlp(self.before_mlp(hidden)))
        return out
