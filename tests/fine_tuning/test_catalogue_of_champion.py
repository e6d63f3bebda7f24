"""What a champion knows of items that nobody had clicked goes on being known when they are."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from mos_online.fine_tuning.warm_start import grown, grown_catalogue
from mos_online.model import MoS
from mos_online.model.catalogued import Catalogued
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.sessions import SessionConfig
from mos_online.themes import Router
from mos_online.training.click_log import ClickLog
from mos_online.training.routing import route_log


def test_an_item_of_the_catalogue_keeps_its_vector_and_category_when_it_is_clicked() -> None:
    axes = np.eye(2, 4, dtype=np.float32)
    router = Router(
        items=["a", "b"],
        table=axes,
        prototypes=axes,
        category_rows=[],
        category_table=np.zeros((0, 4), np.float32),
        categories={},
        tau=0.5,
        labels=["unrouted", "one", "two"],
        config={},
    )
    model = MoS(items=2, categories=1, themes=2, width=4, table=4, content=3)
    model.content.vectors[1:] = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    champion = ModelCheckpoint(
        model=model,
        router=router,
        items=["a", "b"],
        categories=["jazz"],
        popular=[],
        half_life_ms=1.0,
        co_click_half_life_ms=1.0,
        training={},
        catalogued=Catalogued(items=["c", "d"], categories=["jazz", None], vectors=torch.eye(3)[[2, 0]], share=0.25),
    )
    names = ["b", "new", "c", "a"]
    events = pl.DataFrame(
        {
            "user_id": ["u"] * 4,
            "item_id": names,
            "event_id": [f"e{n}" for n in range(4)],
            "timestamp": [1_000_000 + n for n in range(4)],
            "event_type": ["click"] * 4,
        }
    )
    nothing = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String, "category": pl.String})
    log = ClickLog.cut(events, nothing, SessionConfig())
    catalogue = grown_catalogue(champion, log)
    assert list(catalogue.items) == ["a", "b", "new", "c"]
    assert catalogue.content.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert catalogue.item_category.tolist() == [0, 0, 0, 0, 1]
    more = grown(champion, catalogue, route_log(router, catalogue, log), router, gap_ms=log.gap_ms)
    assert torch.equal(more.content.vectors, catalogue.content)
    assert torch.equal(more.content.project.weight, model.content.project.weight)
    left = champion.catalogued.without(catalogue.items)
    assert (left.items, left.categories, left.vectors.tolist(), left.share) == (["d"], [None], [[1, 0, 0]], 0.25)
