"""A random router and an untrained model, for benchmarks that need them of a certain size."""

from __future__ import annotations

import numpy as np
import torch

from mos_online.arrays import Floats, Floats32
from mos_online.model import MoS, MoSConfig
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.recommend.candidates import SPARE
from mos_online.themes import Router

DIMENSIONS = 16


def random_router(names: list[str], *, themes: int, seed: int) -> Router:
    """Draw items around random prototypes; item number n is of theme n % themes + 1."""
    rng = np.random.default_rng(seed)

    def unit(rows: Floats) -> Floats32:
        scaled: Floats32 = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return scaled

    prototypes = unit(rng.normal(size=(themes, DIMENSIONS)))
    noise = 0.15 * rng.normal(size=(len(names), DIMENSIONS))
    return Router(
        items=names,
        table=unit(prototypes[np.arange(len(names)) % themes] + noise),
        prototypes=prototypes,
        category_rows=[],
        category_table=np.zeros((0, DIMENSIONS), np.float32),
        categories={},
        tau=0.577,
        labels=[str(theme) for theme in range(themes + 1)],
        config={},
    )


def random_checkpoint(names: list[str], *, themes: int, width: int, half_life_ms: float) -> ModelCheckpoint:
    """A model with random weights and router, with nothing mixed in; the first 200 items are popular."""
    router = random_router(names, themes=themes, seed=0)
    model = MoS(MoSConfig(backbone="pooling", items=len(names) + SPARE, themes=themes, width=width, table=DIMENSIONS))
    model.item_theme[1 : len(names) + 1] = torch.from_numpy(router.item_themes(names, [None] * len(names)))
    return ModelCheckpoint(
        model=model,
        router=router,
        items=names,
        categories=[],
        popular=names[:200],
        half_life_ms=half_life_ms,
        co_click_half_life_ms=half_life_ms,
        training={},
    )
