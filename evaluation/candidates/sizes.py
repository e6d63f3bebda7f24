"""How large the compared models are."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.model import MoSConfig
from mos_online.training.catalogue import Catalogue
from mos_online.training.routing import Routing


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of every candidate model: d, and how many events its experts read; see ``MoSConfig``."""

    width: int = 32
    recent: int = MoSConfig.recent
    short: int = MoSConfig.short
    theme_ring: int = MoSConfig.theme_ring

    def config(self, catalogue: Catalogue, backbone: str, routing: Routing, *, gap_ms: int) -> MoSConfig:
        """The configuration for these items and themes, with a backbone by name; ``gap_ms``: of the sessions."""
        return MoSConfig(
            backbone=backbone,
            items=len(catalogue.items),
            categories=len(catalogue.categories),
            themes=routing.themes,
            table=routing.table.shape[1],
            content=catalogue.content.shape[1],
            width=self.width,
            recent=self.recent,
            short=self.short,
            theme_ring=self.theme_ring,
            gap_ms=gap_ms,
        )
