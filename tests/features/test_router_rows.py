"""The revision that an arm is served with, in the online store."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.store import OnlineStore
from mos_online.settings import Settings
from tests.registry.test_routers import update


@pytest.fixture
def store(tmp_path: Path) -> OnlineStore:
    return OnlineStore.open(Settings.load(home=tmp_path))


def test_each_arm_has_the_revision_that_was_written_last(store: OnlineStore) -> None:
    assert (store.routers.stamps(["champion", "b"]), store.routers.read("champion")) == ({}, None)
    long = update(2, item_ids=["i" * 256] * 2000, rows=bytes(64_000))
    for written in (update(1), long, update(7, arm="b")):
        store.routers.write(written)
    assert store.routers.stamps(["champion", "b", "c"]) == {"champion": ("r-0", 2), "b": ("r-0", 7)}
    assert store.routers.read("champion") == long
    assert store.routers.read("b") == update(7, arm="b")
    store.routers.write(update(1))
    assert store.routers.read("champion") == update(1), "the row is what the writer says"


def test_a_damaged_row_is_none_and_can_be_replaced(store: OnlineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.router_rows.encode", lambda _: b"{}")
    store.routers.write(update(1))
    monkeypatch.undo()
    assert store.routers.read("champion") is None
    store.routers.write(update(2))
    assert store.routers.read("champion") == update(2)
