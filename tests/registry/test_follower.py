"""Who follows the registry has the newest version that can be loaded, and says when another is in service."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mos_online.errors import ModelError, RegistryError
from mos_online.registry import Registry, RegistryFollower, load_config
from tests.model_folder import put_into_service, unchecked
from tests.registry.crashing import model
from tests.standing_clock import StandingClock


class Loads:
    """Loads the version's name, and counts how often."""

    def __init__(self) -> None:
        self.versions: list[str] = []
        self.errors: dict[str, Exception] = {}

    def __call__(self, folder: Path) -> str:
        version = load_config(folder).version
        self.versions.append(version)
        if version in self.errors:
            raise self.errors[version]
        return version


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "models")
    put_into_service(registry, model(tmp_path, "m-1"))
    return registry


def test_a_new_champion_is_loaded_once_and_told_once(registry: Registry, loads: Loads, tmp_path: Path) -> None:
    follower = RegistryFollower(registry, loads, every=0)
    assert (follower.version, follower.loaded, follower.problem) == ("m-1", "m-1", None)
    assert not follower.poll()
    registry.add(model(tmp_path, "m-2"))
    assert not follower.poll()  # a candidate is not in service
    registry.promote("m-2", unchecked)
    assert follower.poll()
    assert (follower.version, follower.loaded, follower.problem) == ("m-2", "m-2", None)
    assert not follower.poll()
    registry.promote("m-2", unchecked)
    assert not follower.poll()  # the same again
    assert loads.versions == ["m-1", "m-2"]
    registry.rollback(unchecked)
    assert follower.poll()
    assert follower.loaded == "m-1"


def test_a_damaged_version_is_tried_once_and_again_when_the_aliases_change(
    registry: Registry, loads: Loads, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    follower = RegistryFollower(registry, loads, every=0)
    put_into_service(registry, folder := model(tmp_path, "m-2"))
    (registry.fetch("m-2") / "model.safetensors").write_bytes(b"half")
    fetched: list[str] = []
    fetch = registry.fetch
    registry.fetch = lambda version: fetched.append(version) or fetch(version)  # type: ignore[method-assign,func-returns-value]
    for _ in range(5):
        assert not follower.poll()
        assert follower.problem
        assert "model.safetensors is not what was added" in follower.problem
        assert (follower.version, follower.loaded) == ("m-1", "m-1")
    assert fetched == ["m-2"]
    assert len([r for r in caplog.records if "staying with model m-1" in r.message]) == 1
    registry.fetch = fetch  # type: ignore[method-assign]
    put_into_service(registry, folder)  # `mos train` once more: the same version, mended
    assert follower.poll()
    assert (follower.version, follower.problem) == ("m-2", None)


def test_the_version_before_stays_loaded_for_a_while(
    registry: Registry, loads: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = RegistryFollower(registry, loads, every=0, keep=600)
    put_into_service(registry, model(tmp_path, "m-2"))
    assert follower.poll()
    for expected in ("m-1", "m-2", "m-1"):
        registry.rollback(unchecked)
        assert follower.poll()
        assert (follower.version, follower.loaded) == (expected, expected)
    assert loads.versions == ["m-1", "m-2"]
    later = time.monotonic() + 601
    monkeypatch.setattr("mos_online.registry.follower.time", SimpleNamespace(monotonic=lambda: later))
    assert not follower.poll()
    registry.rollback(unchecked)
    assert follower.poll()
    assert loads.versions == ["m-1", "m-2", "m-2"]


def test_going_back_to_the_loaded_version_ends_the_problem(registry: Registry, loads: Loads, tmp_path: Path) -> None:
    loads.errors["m-2"] = ModelError("does not rank")
    follower = RegistryFollower(registry, loads, every=0)
    put_into_service(registry, model(tmp_path, "m-2"))
    assert not follower.poll()
    assert follower.problem == "does not rank"
    registry.rollback(unchecked)
    assert not follower.poll()
    settled: str | None = follower.problem
    assert (settled, loads.versions) == (None, ["m-1", "m-2"])


def test_a_registry_that_cannot_be_reached_is_asked_again(
    registry: Registry, loads: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StandingClock()
    monkeypatch.setattr("mos_online.registry.follower.time", clock)
    follower = RegistryFollower(registry, loads, every=0, retry=0.05)

    def away(*_: object) -> None:
        raise RegistryError("no route to host")

    with monkeypatch.context() as patched:
        patched.setattr(registry, "champion", away)
        assert not follower.poll()
        assert follower.problem == "no route to host"
    assert not follower.poll()
    assert follower.problem is None
    put_into_service(registry, model(tmp_path, "m-2"))
    with monkeypatch.context() as patched:
        patched.setattr(registry, "fetch", away)
        assert not follower.poll()
        assert follower.problem == "no route to host"
    assert not follower.poll()  # not yet
    clock.sleep(0.06)
    assert follower.poll()
    assert (follower.loaded, follower.problem) == ("m-2", None)


def test_damaged_aliases_are_a_problem_until_they_are_mended(registry: Registry, loads: Loads, tmp_path: Path) -> None:
    follower = RegistryFollower(registry, loads, every=0)
    put_into_service(registry, model(tmp_path, "m-2"))
    newest = max((tmp_path / "models" / "aliases").glob("*.json"))
    newest.write_bytes(b"{")
    assert not follower.poll()
    assert follower.problem
    assert "aliases" in follower.problem
    registry.promote("m-2", unchecked)
    assert follower.poll()
    assert follower.problem is None


def test_without_a_champion_there_is_nothing_to_follow(tmp_path: Path, loads: Loads) -> None:
    with pytest.raises(ModelError, match="mos train"):
        RegistryFollower(Registry(tmp_path / "none"), loads)


def test_a_fault_of_ours_is_raised_once_and_not_hidden(registry: Registry, loads: Loads, tmp_path: Path) -> None:
    loads.errors["m-2"] = ZeroDivisionError("a bug")
    follower = RegistryFollower(registry, loads, every=0)
    put_into_service(registry, model(tmp_path, "m-2"))
    with pytest.raises(ZeroDivisionError):
        follower.poll()
    assert not follower.poll()
    assert follower.loaded == "m-1"


def test_it_looks_no_more_often_than_asked(registry: Registry, loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = RegistryFollower(registry, loads, every=0.05)
    looks: list[float] = []
    champion = registry.champion

    def look() -> tuple[str, str]:
        looks.append(time.monotonic())
        return champion()

    monkeypatch.setattr(registry, "champion", look)
    begun = time.monotonic()
    while time.monotonic() - begun < 0.3:
        follower.poll()
    assert 1 <= len(looks) <= 6
    assert all(later - earlier >= 0.05 for earlier, later in itertools.pairwise(looks))


def test_threads_and_an_event_loop_at_once_load_once(registry: Registry, loads: Loads, tmp_path: Path) -> None:
    follower = RegistryFollower(registry, loads, every=0)
    put_into_service(registry, model(tmp_path, "m-2"))
    told: list[bool] = []

    async def in_loop() -> None:
        for _ in range(20):
            told.append(await follower.poll_async())

    def in_thread(work: Callable[[], object] = lambda: told.extend(follower.poll() for _ in range(20))) -> None:
        work()

    threads = [threading.Thread(target=in_thread) for _ in range(3)]
    for thread in threads:
        thread.start()
    asyncio.run(in_loop())
    for thread in threads:
        thread.join()
    assert sum(told) == 1
    assert loads.versions == ["m-1", "m-2"]


def test_loading_does_not_hold_up_the_event_loop(registry: Registry, tmp_path: Path) -> None:
    release = threading.Event()

    def load(folder: Path) -> str:
        version = load_config(folder).version
        if version == "m-2":
            assert release.wait(10)
        return version

    follower = RegistryFollower(registry, load, every=0)
    put_into_service(registry, model(tmp_path, "m-2"))

    async def work() -> None:
        polling = asyncio.create_task(follower.poll_async())
        await asyncio.sleep(0.02)
        assert follower.loaded == "m-1"  # and we are not held up
        release.set()
        assert await polling
        assert follower.loaded == "m-2"

    asyncio.run(work())
