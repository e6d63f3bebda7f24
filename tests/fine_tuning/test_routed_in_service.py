"""A fine-tuning reads the themes that the service has given, also where the router was revised meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mos_online.contracts import EventTypes, Session, SessionEvent
from mos_online.fine_tuning.routed import routed_in_service
from mos_online.fine_tuning.warm_start import grown, grown_catalogue
from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.themes import Router
from mos_online.themes.timeline import InForce, RouterTimeline
from mos_online.training.click_log import ClickLog
from tests.themes.test_gate import BASE, THEMES

AXES = np.eye(THEMES, dtype=np.float32)
MOVED = BASE.revised(["0-0", "new"], AXES[[1, 2]], prototypes=BASE.prototypes, tau=BASE.tau, sequence=1)
"""Item 0-0 is of the second theme now, and the new one of the third."""


def session(number: int, *items: str) -> Session:
    events = [SessionEvent(event_id=f"e{number}-{n}", item_id=item, timestamp=number) for n, item in enumerate(items)]
    return Session(
        session_id=f"s{number}",
        user_id=f"u{number % 2}",
        started_at=number,
        ended_at=number,
        events=events,
        close_reason="gap",
        watermark=number + 1,
    )


SESSIONS = [session(10, "0-0"), session(99, "0-0"), session(100, "new", "0-0"), session(300, "0-1"), session(5, "new")]


@pytest.fixture
def champion() -> ModelCheckpoint:
    """It knows item 0-0, and one that no router has a row for."""
    torch.manual_seed(0)
    model = MoS(backbone="sasrec", items=2, themes=THEMES, width=8, table=THEMES)
    table = torch.from_numpy(np.concatenate([np.zeros((1, THEMES), np.float32), AXES[[0, 3]]]))
    model.set_catalogue(torch.zeros(3, dtype=torch.long), torch.tensor([0, 1, 4]), torch.tensor([0.0, 1, 1]), table)
    return ModelCheckpoint(
        model=model.eval(),
        router=BASE,
        items=["0-0", "rowless"],
        categories=[],
        popular=[],
        half_life_ms=1.0,
        co_click_half_life_ms=1.0,
        training={},
    )


def test_sessions_keep_the_themes_of_their_time_and_items_have_those_of_today(champion: ModelCheckpoint) -> None:
    revision = InForce(sequence=1, version=MOVED.version, effective_from=100)
    loaded: list[InForce] = []

    def load(one: InForce) -> Router:
        loaded.append(one)
        return MOVED

    routers = RouterTimeline(BASE, [revision], load)
    log = ClickLog.of_sessions(SESSIONS, EventTypes.parse("*:1"), gap_ms=1000)
    catalogue = grown_catalogue(champion, log)
    routing = routed_in_service(log, catalogue, SESSIONS, routers)
    found = dict(zip(log.events["event_id"].to_list(), routing.event_theme.tolist(), strict=True))
    assert found == {"e10-0": 1, "e99-0": 2, "e100-0": 2, "e100-1": 2, "e300-0": 1, "e5-0": 0}
    assert loaded == [revision]
    rows = dict(zip(catalogue.items, routing.item_theme[1:].tolist(), strict=True))
    assert rows == {"0-0": 2, "rowless": 0, "new": 3, "0-1": 1}

    model = grown(champion, catalogue, routing, routers.newest(), gap_ms=log.gap_ms)
    assert dict(zip(catalogue.items, model.item_theme[1:].tolist(), strict=True)) == rows | {"rowless": 4}
    assert torch.equal(model.item_table[:3], champion.model.item_table), "what the weights were trained on"
    assert model.item_table[1 + catalogue.items.index("new")].tolist() == AXES[2].tolist()
    assert model.item_known.tolist() == [0, 1, 1, 0, 0]
