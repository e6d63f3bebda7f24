"""Writers and readers at once, in threads and in processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from mos_online.errors import ModelError
from mos_online.registry import Registry
from mos_online.registry.registry import KEPT_VERSIONS
from mos_online.registry.storage import Storage
from tests.model_folder import put_into_service
from tests.registry.crashing import PlainFileSystem, model, registry_at


def test_two_writers_at_once_lose_nothing(place: Storage, tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def write(who: str) -> None:
        try:
            for number in range(3):
                registry = registry_at(place, tmp_path / "cache")
                put_into_service(registry, model(tmp_path / who, f"m-{who}{number}"))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    registry = registry_at(place, tmp_path / "cache")
    aliases = registry.aliases()
    assert {aliases.champion, aliases.previous} <= set(registry.versions())
    assert aliases.champion in {"m-a2", "m-b2"}
    for version in registry.versions():
        registry.fetch(version)
    assert place.names("lock") == []


ADDS = """
    import sys
    from pathlib import Path
    from mos_online.registry import Registry
    registry = Registry(sys.argv[1])
    for draft in sys.argv[2:]:
        registry.promote(registry.add(Path(draft)), lambda folder: None)
"""
ROLLS_BACK = """
    import sys
    from mos_online.errors import ModelError
    from mos_online.registry import Registry
    for _ in range(15):
        try:
            Registry(sys.argv[1]).rollback(lambda folder: None)
        except ModelError as error:  # it was removed by the other writer while it was checked
            assert "damaged or gone" in str(error) or "no model version" in str(error), error
"""


@pytest.mark.slow
def test_a_reader_beside_two_writing_processes_sees_whole_models_only(tmp_path: Path) -> None:
    drafts = [str(model(tmp_path, f"m-{number:02d}")) for number in range(20)]
    place = tmp_path / "models"
    for draft in drafts[:2]:
        put_into_service(Registry(place), Path(draft))
    writers = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(place), *some], env=os.environ)
        for program, some in ((ADDS, drafts[2:]), (ROLLS_BACK, []))
    ]
    seen: set[str] = set()
    while any(writer.poll() is None for writer in writers):
        revision, version = Registry(place).champion()
        try:
            weights = (Registry(place).fetch(version) / "model.safetensors").read_bytes()
        except (ModelError, FileNotFoundError):
            assert Registry(place).champion()[0] != revision  # only what is no longer in service may go
        else:
            assert weights == version.encode() * 50
            seen.add(version)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(seen) > 2
    registry = Registry(place)
    for version in registry.aliases().versions():
        registry.fetch(version)
    assert len(registry.versions()) <= KEPT_VERSIONS + 3


@pytest.mark.parametrize("place", ["plain"], indirect=True)
def test_a_reader_at_every_moment_of_a_slow_write_sees_old_or_new(place: Storage, tmp_path: Path) -> None:
    """Each file grows bit by bit; the reader looks after each bit."""
    registry = registry_at(place, tmp_path / "cache")
    put_into_service(registry, model(tmp_path, "m-1"))
    seen: list[str] = []

    def look() -> None:
        reader = registry_at(place, tmp_path / "reader")
        _, version = reader.champion()
        assert (reader.fetch("champion") / "model.safetensors").read_bytes() == version.encode() * 50
        assert all(reader.fetch(listed) for listed in reader.versions())
        seen.append(version)

    PlainFileSystem.between = [look]
    for number in range(2, 9):
        put_into_service(registry, model(tmp_path, f"m-{number}"))
    assert list(dict.fromkeys(seen)) == [f"m-{number}" for number in range(1, 9)]
