"""Registries that are not on this machine: URLs, the cache, and what goes wrong on the way."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mos_online.errors import ModelError, RegistryError, SettingsError
from mos_online.registry import Registry, cache, open_registry
from mos_online.registry.local_storage import LocalStorage
from mos_online.registry.location import open_storage
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
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_cache_is_bounded_and_keeps_what_was_used_last(remote: Storage, tmp_path: Path) -> None:
    registry = registry_at(remote, tmp_path / "cache")
    stale, running = tmp_path / "cache" / ".fetching-old", tmp_path / "cache" / ".fetching-new"
    for draft in (stale, running):
        draft.mkdir(parents=True)
    os.utime(stale, (time.time() - 2 * cache.ABANDONED,) * 2)
    for number in range(2, 5):
        registry.add(model(tmp_path, f"m-{number}"))
    for number, version in enumerate(["m-1", "m-2", "m-3", "m-1", "m-4"]):
        folder = registry.fetch(version)
        os.utime(folder, (10**9 + number,) * 2)
    assert sorted(path.name[:3] for path in (tmp_path / "cache").iterdir() if path.name[0] == "m") == [
        "m-1",
        "m-3",
        "m-4",
    ]
    assert running.exists()
    assert not stale.exists()


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
    assert len(list((tmp_path / "cache").iterdir())) == 1


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
