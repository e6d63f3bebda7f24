"""Sequence encoders that MoS can stand on: ``forward(events, mask) -> state``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.errors import ModelError

BACKBONES: dict[str, Callable[[int, int], nn.Module]] = {}
"""name -> constructor(width d, longest sequence T). To add one, write a module and decorate it with ``backbone``."""


def backbone(name: str) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Register a module class as a backbone.

    Its ``forward(events, mask)`` takes float32 (B, T, d), oldest event first, and bool (B, T), True where there is an
    event; events come first and padding last. It returns float32 (B, d), zeros for a row without events. What is in
    the padding, and which other rows are in the batch, must not matter.
    """

    def register(cls: type[nn.Module]) -> type[nn.Module]:
        BACKBONES[name] = cls
        return cls

    return register


def build_backbone(name: str, width: int, longest: int) -> nn.Module:
    """Construct a backbone by name.

    Raises:
        ModelError: no such backbone.
    """
    if name not in BACKBONES:
        raise ModelError(f"unknown backbone {name!r}; there are: {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name](width, longest)


@backbone("gru4rec")
class GRU4Rec(nn.Module):
    """Gated recurrent unit over the events (Hidasi et al., ICLR 2016); the state after the last event plus that event.

    The sum lets an untrained encoder already point to what goes with the last item.
    """

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, events: Tensor, mask: Tensor) -> Tensor:
        """(B, T, d), (B, T) -> (B, d)."""
        if events.shape[1] == 0:
            return events.new_zeros(events.shape[0], events.shape[2])
        states, _ = self.gru(events)
        return last_event(states + events, mask)


@backbone("sasrec")
class SASRec(nn.Module):
    """Causal self-attention over the events (Kang & McAuley, ICDM 2018), two blocks.

    Positions count from the newest event, so that an old event's position does not depend on how much padding or
    forgotten history there is.
    """

    def __init__(self, width: int, longest: int, blocks: int = 2, heads: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.longest = longest
        self.position = nn.Embedding(longest, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList([_Block(width, heads, dropout) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)

    def forward(self, events: Tensor, mask: Tensor) -> Tensor:
        """(B, T, d), (B, T) -> (B, d); T at most ``longest``."""
        length = events.shape[1]
        if length == 0:
            return events.new_zeros(events.shape[0], events.shape[2])
        from_newest = (mask.sum(1, keepdim=True) - 1 - torch.arange(length)).clamp(0, self.longest - 1)
        hidden = self.dropout(events + self.position(from_newest))
        # An event sees itself and what came before; padding comes last, so no event sees it.
        allowed = torch.ones(length, length, dtype=torch.bool).tril()
        for block in self.blocks:
            hidden = block(hidden, allowed)
        return last_event(self.norm(hidden), mask)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, allowed: Tensor) -> Tensor:
        rows, length, width = hidden.shape
        parts = self.query_key_value(self.before_attention(hidden)).view(rows, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        hidden = hidden + self.dropout(self.out(read.transpose(1, 2).reshape(rows, length, width)))
        out: Tensor = hidden + self.dropout(self.mlp(self.before_mlp(hidden)))
        return out


def last_event(states: Tensor, mask: Tensor) -> Tensor:
    """The state at each row's last event: (B, T, d), (B, T) -> (B, d); zeros for a row without events."""
    count = mask.sum(1)
    newest = states[torch.arange(len(states)), (count - 1).clamp(min=0)]
    return newest * (count > 0).unsqueeze(1)
