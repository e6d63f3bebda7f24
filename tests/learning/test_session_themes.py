"""Themes by the router that began the epoch, whatever the registry holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from learning.session_themes import SessionThemes
from mos_online.errors import ModelError
from mos_online.registry import Aliases
from mos_online.themes import Router, save_router
from tests.learning.records import session


def router(first: tuple[float, float], *, epoch: str | None = None, sequence: int = 0) -> Router:
    """Items a and b; theme 1 is near (1, 0), theme 2 near (0, 1)."""
    return Router(
        items=["a", "b"],
        table=np.array([first, (0.0, 1.0)], np.float32),
        prototypes=np.eye(2, dtype=np.float32),
        category_rows=["jazz"],
        category_table=np.array([(1.0, 0.0)], np.float32),
        categories={},
        tau=0.5,
        labels=["unrouted", "x", "y"],
        config={},
        epoch=epoch,
        sequence=sequence,
    )


class Registry:
    """A folder for each version, of which one is in service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version: str | None = None

    def put(self, version: str, made: Router) -> None:
        save_router(made, self.folder / version)
        self.version = version

    def champion(self) -> tuple[str, str]:
        if self.version is None:
            raise ModelError("no model is in service")
        return self.version, self.version

    def aliases(self) -> Aliases:
        return Aliases(champion=self.version)

    def fetch(self, version: str) -> Path:
        return self.folder / version


def test_a_session_has_the_theme_that_the_router_gives_it_until_another_epoch_begins(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    themes = SessionThemes(registry, every=0)
    given = [
        session("u", 1, closed_at=100, items=("a", "a", "b")),
        session("u", 2, closed_at=100, items=("unheard of",)),
        session("u", 3, closed_at=100, items=("new",), category="jazz"),
        session("u", 4, closed_at=100, items=("b",)),
    ]
    assert themes.follow() is None
    assert themes.of(given) is None
    first = router((1.0, 0.0))
    registry.put("m1", first)
    assert themes.follow() == (first.epoch, 2)
    assert themes.of(given) == [1, 0, 1, 2] == [first.route(one).theme for one in given]
    assert themes.of([]) == []
    registry.put("m2", router((0.0, 1.0), epoch=first.epoch, sequence=1))
    assert themes.follow() is None
    assert themes.of(given) == [1, 0, 1, 2], "a revision is no drift"
    other = router((0.0, 1.0))
    registry.put("m3", other)
    assert themes.follow() == (other.epoch, 2)
    assert themes.of(given) == [2, 0, 1, 2]
