"""Registries that are not on this machine: URLs, the cache, and what goes wrong on the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mos_online.errors import ModelError, RegistryError, SettingsError
from mos_online.experiments.reading import parse_plan
from mos_online.registry import Registry, cache, open_registry
from mos_online.registry.local_storage import LocalStorage
from mos_online.registry.location import open_storage
from mos_online.registry.manifest import Manifest
from mos_online.registry.storage import Storage
from mos_online.settings import Settings
from tests.model_folder import put_into_service
from tests.registry.crashing import model, registry_at, storage


@pytest.fixture
def remote(tmp_path: Path) -> Storage:
    place = storage("memory", tmp_path)
    put_into_service(registry_at(place, tmp_path / "writer"), model(tmp_path, "m-1"))
    return place


def count_downloads(place: Storage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    downloads: list[str] = []
    download = place.download

    def counted(path: str, target: Path) -> None:
        downloads.append(path)
        download(path, target)

    monkeypatch.setattr(place, "download", counted)
    return downloads


def test_machines_share_a_registry_and_each_fetches_a_version_once(
    remote: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = count_downloads(remote, monkeypatch)
    for _ in range(2):
        for machine in ("a", "b"):
            folder = registry_at(remote, tmp_path / machine).fetch("champion")
            assert folder.is_relative_to(tmp_path / machine)
            assert (folder / "model.safetensors").read_bytes() == b"m-1" * 50
    assert len(downloads) == 2 * 3


def test_a_damaged_copy_is_fetched_again(remote: Storage, tmp_path: Path) -> None:
    registry = registry_at(remote, tmp_path / "cache")
    weights = registry.fetch("champion") / "model.safetensors"
    weights.write_bytes(b"rot")
    assert (registry.fetch("champion") / "model.safetensors").read_bytes() == b"m-1" * 50


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damage_over_there_is_named_and_nothing_stays_here(remote: Storage, tmp_path: Path, damage: str) -> None:
    if damage == "changed":
        remote.write("versions/m-1/model.safetensors", b"rot")
    else:
        remote.delete("versions/m-1/model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors is (not what was added|missing).*mos train"):
        registry_at(remote, tmp_path / "cache").fetch("champion")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def here(folder: Path) -> set[str]:
    """The versions in a cache."""
    return {path.name.rpartition("-")[0] for path in folder.glob("[!.]*")}


def long_ago(*folders: Path) -> None:
    """Let them have been used before all others."""
    for number, folder in enumerate(folders):
        os.utime(folder, (10**9 + number,) * 2)


def test_the_cache_is_bounded_and_keeps_what_was_used_last(remote: Storage, tmp_path: Path) -> None:
    registry = registry_at(remote, tmp_path / "cache")
    stale, running = tmp_path / "cache" / ".fetching-old", tmp_path / "cache" / ".fetching-new"
    for draft in (stale, running):
        draft.mkdir(parents=True)
    long_ago(stale)
    for number in range(2, 7):
        put_into_service(registry, model(tmp_path, f"m-{number}"))
    folders = [registry.fetch(f"m-{number}") for number in (3, 6, 5, 4, 2)]
    assert here(tmp_path / "cache") == {f"m-{number}" for number in range(2, 7)}, "somebody may be loading one of them"
    long_ago(*folders)
    registry.fetch("m-2")
    assert here(tmp_path / "cache") == {"m-2", "m-4", "m-5", "m-6"}, "m-6 is the champion"
    assert running.exists()
    assert not stale.exists()


ARMS = ", ".join(f"{{name: a{number}, model: m-{number}}}" for number in range(1, 6))
FIVE_MODELS = f"""
layers:
  - name: home
    experiments:
      - {{name: models, buckets: [[0, 10000]], control: a1, arms: [{ARMS}], primary: ctr}}
"""


def test_what_is_in_force_stays_however_long_ago_it_was_used(
    remote: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = registry_at(remote, tmp_path / "cache")
    for number in range(2, 9):
        put_into_service(registry, model(tmp_path, f"m-{number}"))
        if number == 5:
            registry.experiments().start(parse_plan(FIVE_MODELS), registry.fetch, now=7)
    for _ in range(3):  # restarts, days apart
        long_ago(*(registry.fetch(version) for version in registry.versions()))
        downloads = count_downloads(remote, monkeypatch)
        for replica in (registry_at(remote, tmp_path / "cache"), registry_at(remote, tmp_path / "cache")):
            for version in (*(f"m-{number}" for number in range(1, 6)), "champion"):
                assert (replica.fetch(version) / "model.safetensors").exists()
        assert downloads == []
    registry.experiments().stop(["models"], "done", now=8)
    long_ago(*(registry.fetch(version) for version in registry.versions()))
    remote.write("aliases/00000099.0000000000000000", b"")
    with pytest.raises(ModelError, match="damaged"):
        registry.fetch("candidate")
    registry.fetch("m-8")
    assert len(here(tmp_path / "cache")) > cache.KEPT_ON_DISK, "while it is not known what is in force, all stay"


def test_of_two_that_find_a_copy_damaged_none_takes_the_good_one_from_the_other(
    remote: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = registry_at(remote, tmp_path / "cache"), registry_at(remote, tmp_path / "cache")
    (slow.fetch("champion") / "model.safetensors").write_bytes(b"rot")
    check, loading = Manifest.check, []

    def meanwhile(manifest: Manifest, folder: Path) -> None:
        monkeypatch.setattr(Manifest, "check", check)
        try:
            check(manifest, folder)
        finally:  # it is damaged; before anything follows from it, the other one has mended it and begins to load
            loading.append((quick.fetch("champion") / "model.safetensors").open("rb"))

    monkeypatch.setattr(Manifest, "check", meanwhile)
    found = slow.fetch("champion") / "model.safetensors"
    with loading[0] as file:
        assert os.path.samestat(os.fstat(file.fileno()), found.stat())
    assert found.read_bytes() == b"m-1" * 50


def test_a_cache_that_cannot_be_written_is_told(remote: Storage, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(RegistryError, match=r"cache cannot be read or written.*choose another MOS_HOME"):
        registry_at(remote, tmp_path / "cache").fetch("champion")


def test_two_processes_that_fetch_at_once_both_get_it(
    remote: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = registry_at(remote, tmp_path / "cache"), registry_at(remote, tmp_path / "cache")
    download = remote.download
    folders: list[Path] = []

    def meanwhile(path: str, target: Path) -> None:
        monkeypatch.setattr(remote, "download", download)
        folders.append(quick.fetch("champion"))
        download(path, target)

    monkeypatch.setattr(remote, "download", meanwhile)
    folders.append(slow.fetch("champion"))
    assert folders[0] == folders[1]
    assert (folders[0] / "model.safetensors").read_bytes() == b"m-1" * 50
    assert len(list((tmp_path / "cache").glob("[!.]*"))) == 1


def test_settings_choose_the_registry(mos_home: Settings, tmp_path: Path) -> None:
    put_into_service(open_registry(mos_home), model(tmp_path, "m-1"))
    assert (mos_home.home / "models" / "versions" / "m-1").is_dir()
    elsewhere = mos_home.model_copy(update={"models": "memory://chosen/models"})
    put_into_service(open_registry(elsewhere), model(tmp_path, "m-2"))
    assert open_registry(elsewhere).fetch("champion").is_relative_to(mos_home.home / "cache" / "models")
    local = mos_home.model_copy(update={"models": f"file://{tmp_path}/by-url"})
    put_into_service(open_registry(local), model(tmp_path, "m-3"))
    assert (tmp_path / "by-url" / "versions" / "m-3").is_dir()


def test_a_local_path_needs_no_package(tmp_path: Path) -> None:
    assert isinstance(open_storage(tmp_path / "a b%20c"), LocalStorage)
    assert isinstance(open_storage("relative/path"), LocalStorage)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://bucket/models", "pip install s3fs"),
        ("gs://bucket/models", "pip install gcsfs"),
        ("abfs://container/models", "pip install adlfs"),
        ("sftp://host/models", "paramiko"),
        ("nonsense://bucket/models", "a URL that fsspec knows"),
    ],
)
def test_a_missing_package_is_named(url: str, says: str, mos_home: Settings) -> None:
    with pytest.raises(SettingsError, match=rf"MOS_MODELS={url}.*{says}"):
        open_registry(mos_home.model_copy(update={"models": url}))


def test_no_message_shows_a_password(mos_home: Settings) -> None:
    with pytest.raises(SettingsError) as raised:
        open_registry(mos_home.model_copy(update={"models": "sftp://me:hunter2@host/models"}))
    assert "hunter2" not in str(raised.value)
    assert "sftp://host/models" in str(raised.value)


def test_a_filesystem_that_fails_is_a_registry_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry("memory://failing/models", cache=tmp_path / "cache")

    class ClientError(Exception):
        """Of a library that knows no OSError."""

    def refused(*_: Any, **__: Any) -> None:
        raise ClientError("AccessDenied")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "ls", refused)
        with pytest.raises(RegistryError, match=r"memory://failing/models cannot be listed: ClientError: AccessDenied"):
            registry.champion()
    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "pipe_file", refused)
        with pytest.raises(RegistryError, match="cannot be written: ClientError: AccessDenied"):
            registry.add(model(tmp_path, "m-1"))
    put_into_service(registry, model(tmp_path, "m-1"))
    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "cat_file", refused)
        with pytest.raises(RegistryError, match="cannot be read: ClientError: AccessDenied"):
            Registry("memory://failing/models", cache=tmp_path / "cache").champion()
