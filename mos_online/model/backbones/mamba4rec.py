"""The backbone Mamba4Rec: a selective state space."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.backbone import Backbone, backbone, last_event

KERNEL = 4
"""Events that the causal convolution sees."""


@backbone("mamba4rec")
class Mamba4Rec(Backbone):
    """One selective state space block and a feed-forward network (Liu et al. 2024; Gu & Dao 2023), in plain torch.

    h_t = exp(delta_t A) h_{t-1} + delta_t B_t x_t and y_t = C_t h_t + D x_t, with delta, B and C read from the event: a
    scan over T. The state is h and the last ``KERNEL`` - 1 inputs of the convolution.
    """

    def __init__(self, width: int, longest: int, state: int = 16) -> None:
        super().__init__(width, longest)
        inner = width
        self.norm, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.into = nn.Linear(width, 2 * inner, bias=False)
        self.convolution = nn.Conv1d(inner, inner, KERNEL, groups=inner, padding=KERNEL - 1)
        self.rank = max(1, math.ceil(width / 16))
        self.select = nn.Linear(inner, self.rank + 2 * state, bias=False)
        self.delta = nn.Linear(self.rank, inner)
        with torch.no_grad():  # steps between 0.001 and 0.1, as in the paper: softplus of the bias
            step = torch.exp(torch.rand(inner) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
            self.delta.bias.copy_(step + torch.log(-torch.expm1(-step)))
        self.log_decay = nn.Parameter(torch.log(torch.arange(1.0, state + 1)).repeat(inner, 1))
        self.skip = nn.Parameter(torch.ones(inner))
        self.back = nn.Linear(inner, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.states = state

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Encode events (B, T, d) with mask (B, T) into states (B, d)."""
        length = events.shape[1]
        if length == 0:
            return events.new_zeros(events.shape[0], events.shape[2])
        inputs, gate = self.into(self.norm(events)).chunk(2, 2)
        inputs = F.silu(self.convolution(inputs.transpose(1, 2))[..., :length].transpose(1, 2))
        hidden = events + self.back(self._scan(inputs) * F.silu(gate))
        return last_event(hidden + self.mlp(self.after(hidden)), mask)

    def _scan(self, inputs: Tensor) -> Tensor:
        """(B, T, inner) -> (B, T, inner); all but the recurrence itself is done for all events at once."""
        rank, read_in, read_out = self.select(inputs).split([self.rank, self.states, self.states], 2)
        delta = F.softplus(self.delta(rank)).unsqueeze(3)
        decay = torch.exp(-delta * torch.exp(self.log_decay))
        added = delta * inputs.unsqueeze(3) * read_in.unsqueeze(2)
        state, states = torch.zeros_like(added[:, 0]), []
        for decayed, new in zip(decay.unbind(1), added.unbind(1), strict=True):
            state = decayed * state + new
            states.append(state)
        return torch.einsum("btis,bts->bti", torch.stack(states, 1), read_out) + self.skip * inputs
