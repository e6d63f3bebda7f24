"""MoS with gates that add to the global vector instead of displacing it. A negative result, kept for the table."""

from __future__ import annotations

import torch
from torch import Tensor

from mos_online.model.mos import MoS


class ResidualFusion(MoS):
    """u_k = g + sigmoid(gamma_s) h_s + sigmoid(gamma_k) h_k; gates that start closed."""

    def opened(self, gamma: Tensor) -> tuple[Tensor, Tensor]:
        """The weight of an expert's state, and what it adds to the divisor: here nothing; see ``MoS.opened``."""
        gate = torch.sigmoid(gamma)
        return gate, torch.zeros_like(gate)
