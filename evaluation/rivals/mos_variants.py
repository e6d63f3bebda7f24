"""Two variants of MoS that were worse than MoS. They are kept so that the comparison can be repeated."""

from __future__ import annotations

import torch
from torch import Tensor

from mos_online.model.backbones.gru4rec import GRU4Rec
from mos_online.model.config import MoSConfig
from mos_online.model.mos import MoS


class RecurrentExperts(MoS):
    """MoS whose short-term and theme experts are GRUs instead of means.

    They cost three times the products per event of a ring.
    """

    def __init__(self, config: MoSConfig) -> None:
        super().__init__(config)
        self.short_expert = GRU4Rec(config.width, config.short)
        self.theme_expert = GRU4Rec(config.width, config.theme_ring)


class ResidualFusion(MoS):
    """MoS with gates that add to the global vector instead of displacing it; the gates start closed.

    u_k = g + sigmoid(gamma_s) h_s + sigmoid(gamma_k) h_k.
    """

    def opened(self, gamma: Tensor) -> tuple[Tensor, Tensor]:
        """The weight of an expert's state, and what it adds to the divisor: here nothing; see ``MoS.opened``."""
        gate = torch.sigmoid(gamma)
        return gate, torch.zeros_like(gate)
