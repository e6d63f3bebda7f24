"""The revisions of an epoch in the registry: numbered, whole, and never another one under a number."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from mos_online.contracts import RouterUpdate
from mos_online.errors import ModelError
from mos_online.registry import Registry
from mos_online.registry.routers import KEPT, RouterHistory
from mos_online.registry.storage import Storage
from mos_online.themes.timeline import InForce


def update(sequence: int, **changes: object) -> RouterUpdate:
    made = RouterUpdate(
        arm="champion",
        epoch="r-0",
        sequence=sequence,
        version=f"r-{sequence}",
        effective_from=1000 * sequence,
        through_watermark=5,
        through_session="s",
        sessions=9,
        tau=0.5,
        prototypes=b"\0\0",
        item_ids=[],
        rows=b"",
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def history(tmp_path: Path) -> RouterHistory:
    return Registry(tmp_path).routers("r-0")


def test_what_is_added_is_read_and_listed(history: RouterHistory, tmp_path: Path) -> None:
    assert (history.revisions(), history.newest()) == ([], None)
    for sequence in (1, 2):
        assert history.add(update(sequence)) == update(sequence)
    assert history.read(1) == update(1)
    assert history.newest() == update(2)
    assert history.revisions() == [
        InForce(sequence=1, version="r-1", effective_from=1000),
        InForce(sequence=2, version="r-2", effective_from=2000),
    ]
    assert (tmp_path / history.place(2)).is_file()
    assert Registry(tmp_path).routers("r-other").revisions() == []


def test_a_number_is_given_once(history: RouterHistory) -> None:
    history.add(update(1))
    assert history.add(update(1, tau=0.25)) == update(1), "another learner was faster"
    with pytest.raises(ModelError, match="revision 3 of router r-0 cannot follow revision 1"):
        history.add(update(3))
    with pytest.raises(ModelError, match="has no revision 2"):
        history.read(2)


def test_of_two_learners_at_once_one_gets_the_number(tmp_path: Path) -> None:
    stored: list[RouterUpdate] = []

    def add(tau: float) -> None:
        stored.append(Registry(tmp_path).routers("r-0").add(update(1, tau=tau)))

    threads = [threading.Thread(target=add, args=(tau,)) for tau in (0.1, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored[0] == stored[1]
    assert len(Registry(tmp_path).routers("r-0").revisions()) == 1


def test_the_oldest_go(history: RouterHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mos_online.registry.routers.KEPT", 3)
    for sequence in range(1, 6):
        history.add(update(sequence))
    assert [one.sequence for one in history.revisions()] == [3, 4, 5]
    assert KEPT == 200


def test_damage_is_told_and_named(history: RouterHistory, tmp_path: Path) -> None:
    history.add(update(1))
    path = tmp_path / history.place(1)
    whole = path.read_bytes()
    for content in (whole[:-5], whole.replace(b"r-1", b"r-9"), b""):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is damaged"):
            history.read(1)
    (path.parent / ".draft").write_bytes(b"")
    (path.parent / "notes.txt").write_bytes(b"")
    path.write_bytes(whole)
    assert history.read(1) == update(1)


def test_an_object_store_will_do() -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    history = RouterHistory(Storage(MemoryFileSystem(), "/revisions-of-routers", "memory"), "r-0")
    history.add(update(1))
    assert history.newest() == update(1)
