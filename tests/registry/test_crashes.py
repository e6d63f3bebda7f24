"""A writer that dies at any step: readers see the old or the new, and the next writer works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mos_online.errors import ModelError
from mos_online.registry import Aliases, Registry, lock
from mos_online.registry.registry import KEPT_VERSIONS
from mos_online.registry.storage import Storage
from tests.model_folder import put_into_service, unchecked
from tests.registry.crashing import CrashingStorage, Killed, model, registry_at, storage
from tests.standing_clock import StandingClock

Write = Callable[[Registry, Path], object]
WRITES: dict[str, Write] = {
    "add and promote": lambda registry, folder: put_into_service(registry, model(folder, "m-new")),
    "promote": lambda registry, _: registry.promote("candidate", unchecked),
    "rollback": lambda registry, _: registry.rollback(unchecked),
}


@pytest.fixture(autouse=True)
def _standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a dead writer is taken over at once, and no writer of ours loses it on a busy machine."""
    monkeypatch.setattr("mos_online.registry.lock.time", StandingClock())
    monkeypatch.setattr(lock.WriterLock.__init__, "__kwdefaults__", {"lease": 0.05, "timeout": 60.0})
    monkeypatch.setattr(lock.Lease, "keep", lambda _: None)


def begun(kind: str, folder: Path) -> Storage:
    """A registry that is full, so that the next `add` removes a version, and in which every alias names one."""
    place = storage(kind, folder)
    registry = registry_at(place, folder / "cache")
    for number in (1, 2):
        put_into_service(registry, model(folder, f"m-{number}"))
    for number in range(3, 3 + KEPT_VERSIONS):
        registry.add(model(folder, f"m-{number}"))
    return place


def seen(place: Storage, folder: Path) -> tuple[Aliases, dict[str, bytes]]:
    """What another process reads: the aliases, and the weights of each version that they name."""
    reader = registry_at(place, folder / "reader")
    aliases = reader.aliases()
    return aliases, {
        version: (reader.fetch(version) / "model.safetensors").read_bytes() for version in aliases.versions()
    }


def copy_of(place: Storage, kind: str, folder: Path) -> Storage:
    """The same files elsewhere."""
    copy = storage(kind, folder)
    paths = [f"aliases/{name}" for name in place.names("aliases")]
    paths += [f"versions/{v}/{name}" for v in place.names("versions") for name in place.names(f"versions/{v}")]
    for path in paths:
        copy.write(path, place.read(path))
    return copy


@pytest.mark.parametrize("kind", [pytest.param("local", marks=pytest.mark.slow), "memory", "plain"])
@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_a_writer_dies_at_every_step(kind: str, torn: bool, write: str, tmp_path: Path) -> None:
    died = 0
    full = begun(kind, tmp_path)
    before = seen(full, tmp_path)
    undisturbed = copy_of(full, kind, tmp_path / "undisturbed")
    WRITES[write](registry_at(undisturbed, tmp_path / "cache"), tmp_path)
    after = registry_at(undisturbed, tmp_path / "cache").aliases()
    for step in range(1, 1000):
        folder = tmp_path / str(step)
        place = copy_of(full, kind, folder)
        dying = CrashingStorage(place, dies_at=step, torn=torn)
        try:
            WRITES[write](registry_at(dying, folder / "cache"), folder)
        except Killed:
            died += 1
        else:
            break
        during = seen(place, folder)
        fresh = registry_at(place, folder / "cache")
        assert set(during[1].values()) <= {version.encode() * 50 for version in (*fresh.versions(), "m-new")}
        if write in {"promote", "rollback"}:
            assert during[0] in (before[0], after)
        elif during[0] != before[0]:
            assert "m-new" in during[0].versions()
        for version in fresh.versions():  # nothing that is listed is half a model
            fresh.fetch(version)
        put_into_service(fresh, model(folder, "m-next"))
        aliases, weights = seen(place, folder)
        assert aliases.champion == "m-next"
        assert aliases.previous == during[0].champion
        assert weights["m-next"] == b"m-next" * 50
        assert place.names("lock") == []
        assert not [v for v in place.names("versions") if "unfinished" in place.names(f"versions/{v}")]
    assert died >= (4 if write in {"promote", "rollback"} else 15)


WRITER = """
    import sys
    from pathlib import Path
    from mos_online.registry import Registry, lock
    lock.WriterLock.__init__.__kwdefaults__["lease"] = 0.5
    folder = Path(sys.argv[1])
    registry = Registry(folder / "models")
    print("begun", flush=True)
    while True:
        for name in sorted(folder.glob("draft-*")):
            registry.promote(registry.add(name), lambda folder: None)
            registry.rollback(lambda folder: None)
"""


@pytest.mark.slow
def test_real_processes_are_killed_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock.WriterLock.__init__, "__kwdefaults__", {"lease": 0.5, "timeout": 60.0})
    for number in range(1, 9):
        model(tmp_path, f"m-{number}")
    registry = Registry(tmp_path / "models")
    put_into_service(registry, tmp_path / "draft-m-1")
    put_into_service(registry, tmp_path / "draft-m-2")
    rng = random.Random(1)
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], stdout=subprocess.PIPE, env=os.environ
        )
        assert writer.stdout
        assert writer.stdout.readline() == b"begun\n"
        time.sleep(rng.uniform(0.0, 0.6))
        assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        reader = Registry(tmp_path / "models")
        for version in reader.aliases().versions():
            assert (reader.fetch(version) / "model.safetensors").read_bytes() == version.encode() * 50
        assert reader.promote("previous", unchecked) in {f"m-{number}" for number in range(1, 9)}


def test_a_failure_that_is_no_crash_leaves_the_lock_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(tmp_path / "models")
    put_into_service(registry, model(tmp_path, "m-1"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mos_online.registry.local_storage.shutil.copyfileobj", full)
        with pytest.raises(ModelError, match="No space left"):
            registry.add(model(tmp_path, "m-2"))
    assert registry.versions() == ["m-1"]
    assert list((tmp_path / "models" / "lock").iterdir()) == []
    put_into_service(registry, model(tmp_path, "m-3"))
    assert registry.versions() == ["m-3", "m-1"]
    assert not (tmp_path / "models" / "versions" / "m-2").exists()
