"""A model of a small population that was not trained: its router is fitted, and co-clicks rank."""

from __future__ import annotations

import torch

from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.model.co_clicks import FACTS
from mos_online.model.config import MoSConfig
from mos_online.model.mixing import SOURCES
from mos_online.recommend.candidates import SPARE
from mos_online.themes import RouterConfig, fit_router
from simulator.loop.config import HOUR
from simulator.population import Population

HALF_LIFE = 24.0 * HOUR


def small_checkpoint(population: Population, *, spare: int = SPARE) -> ModelCheckpoint:
    """As ``mos train`` lays it out."""
    torch.manual_seed(0)
    log, themes = population.dataset, population.config.themes
    items = log.items["item_id"].to_list()
    nameless = log.items.with_columns(category=None)
    router = fit_router(log.events, nameless, RouterConfig(themes=themes))
    model = MoS(
        MoSConfig(backbone="pooling", items=len(items) + spare, themes=themes, width=8, table=router.dimensions)
    )
    model.item_theme[1 : len(items) + 1] = torch.from_numpy(router.item_themes(items, [None] * len(items)))
    model.mixing.set_weights(torch.full((SOURCES, FACTS), 2.0))
    return ModelCheckpoint(
        model=model.eval(),
        router=router,
        items=items,
        categories=[],
        popular=items[:50],
        half_life_ms=HALF_LIFE,
        co_click_half_life_ms=HALF_LIFE,
        training={},
    )
