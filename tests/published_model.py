"""A small model in service, for tests of those who follow it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mos_online.registry import open_registry
from mos_online.settings import Settings
from mos_online.themes.artefact import save_router
from mos_online.themes.router import Router
from tests.model_folder import put_into_service, write_config


def publish_model(folder: Path, settings: Settings) -> Router:
    """Put a model into service that knows the items a and b, in two themes, and give its router."""
    axes = np.eye(2, dtype=np.float32)
    router = Router(
        items=["a", "b"],
        table=axes,
        prototypes=axes,
        category_rows=[],
        category_table=np.zeros((0, 2), np.float32),
        categories={},
        tau=0.5,
        labels=["unrouted", "one", "two"],
        config={},
    )
    save_router(router, folder)
    write_config(folder, "m1", recent=3, theme_ring=2, half_life_ms=1000.0)
    put_into_service(open_registry(settings), folder)
    return router
