"""A random router, for benchmarks that need one of a certain size."""

from __future__ import annotations

import numpy as np

from mos_online.arrays import Floats, Floats32
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
