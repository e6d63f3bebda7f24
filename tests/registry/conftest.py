from __future__ import annotations

from pathlib import Path

import pytest

from mos_online.registry import Registry, lock
from mos_online.registry.storage import Storage
from tests.registry.crashing import PlainFileSystem, registry_at, storage


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a dead writer."""
    monkeypatch.setattr(lock, "PAUSE", 0.005)
    PlainFileSystem.between = []


@pytest.fixture(params=["local", "memory", "plain"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty place for a registry, on each kind of filesystem."""
    return storage(request.param, tmp_path)


@pytest.fixture
def registry(place: Storage, tmp_path: Path) -> Registry:
    return registry_at(place, tmp_path / "cache")
