"""MoS whose short-term and theme experts are GRUs instead of means. A negative result, kept for the table."""

from __future__ import annotations

from mos_online.model.backbones.gru4rec import GRU4Rec
from mos_online.model.config import MoSConfig
from mos_online.model.mos import MoS


class RecurrentExperts(MoS):
    """MoS with recurrent short-term and theme experts, which cost three times the products per event of a ring."""

    def __init__(self, config: MoSConfig) -> None:
        super().__init__(config)
        self.short_expert = GRU4Rec(config.width, config.short)
        self.theme_expert = GRU4Rec(config.width, config.theme_ring)
