"""Filesystems that fail, and registries on every kind of filesystem."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem

from mos_online.registry import Registry
from mos_online.registry.local_storage import LocalStorage
from mos_online.registry.storage import Storage
from tests.model_folder import write_config


class Killed(BaseException):
    """The process is gone: nothing that it does from now on has an effect."""


class SharedMemory(MemoryFileSystem):  # type: ignore[misc] # fsspec is not typed
    """Files in memory for several threads; fsspec's own lists them while another thread changes them, and fails."""

    protocol = "shared"
    _changing = threading.RLock()

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        with self._changing:
            return super().ls(path, detail=detail, **kwargs)

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        with self._changing:
            return super().open(path, mode=mode, **kwargs)

    def rm_file(self, path: str) -> None:
        with self._changing:
            super().rm_file(path)


class PlainFileSystem(SharedMemory):
    """Made up, and as poor as can be: no rename, no exclusive creation, and a file that is written grows bit by bit.

    Attributes:
        between: called whenever a reader could look while a file is half written.
    """

    protocol = "plain"
    between: ClassVar[list[Callable[[], None]]] = []

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        if mode == "create" and self.exists(path):
            raise FileExistsError(path)
        path = self._strip_protocol(path)
        for end in sorted({0, len(value) // 2, len(value)}):
            self.open(path, mode="wb", data=value[:end])
            for look in self.between:
                look()

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def mv(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("this filesystem cannot rename")

    rename = move = mv


class CrashingStorage(Storage):
    """Dies at the k-th change; a file that was being written then is there by half, if ``torn``."""

    def __init__(self, inner: Storage, *, dies_at: int, torn: bool) -> None:
        self.label = inner.label
        self.changes = 0
        self._inner = inner
        self._dies_at = dies_at
        self._torn = torn
        self._dead = False

    def names(self, folder: str) -> list[str]:
        self._alive()
        return self._inner.names(folder)

    def read(self, path: str) -> bytes:
        self._alive()
        return self._inner.read(path)

    def download(self, path: str, target: Path) -> None:
        self._alive()
        self._inner.download(path, target)

    def write(self, path: str, data: bytes) -> None:
        self._change(lambda: self._inner.write(path, data), lambda: self._inner.write(path, data[: len(data) // 2]))

    def create(self, path: str, data: bytes) -> None:
        self._change(lambda: self._inner.create(path, data), lambda: self._inner.create(path, data[: len(data) // 2]))

    def upload(self, source: Path, path: str) -> None:
        half = source.read_bytes()[: source.stat().st_size // 2]
        self._change(lambda: self._inner.upload(source, path), lambda: self._inner.write(path, half))

    def delete(self, path: str) -> None:
        self._change(lambda: self._inner.delete(path), lambda: None)

    def delete_folder(self, folder: str) -> None:
        self._change(lambda: self._inner.delete_folder(folder), lambda: None)

    def _alive(self) -> None:
        if self._dead:
            raise Killed

    def _change(self, whole: Callable[[], None], half: Callable[[], None]) -> None:
        self._alive()
        self.changes += 1
        if self.changes == self._dies_at:
            self._dead = True
            if self._torn:
                half()
            raise Killed
        whole()


def storage(kind: str, folder: Path) -> Storage:
    """An empty place of a kind: ``local``, ``memory`` or ``plain``."""
    if kind == "local":
        return LocalStorage(folder / "models")
    filesystem = {"memory": SharedMemory, "plain": PlainFileSystem}[kind]
    # Of its own: fsspec lists a folder by looking through all files of all instances that share their files.
    return Storage(
        filesystem(global_store=False, skip_instance_cache=True), "/registry/models", f"{filesystem.protocol}://models"
    )


def registry_at(place: Storage, cache: Path) -> Registry:
    """Another process's view of a registry."""
    return Registry(place, cache=cache)


def model(folder: Path, version: str, **changes: object) -> Path:
    """A model folder of three files."""
    made = write_config(folder / f"draft-{version}", version, **changes)
    (made / "model.safetensors").write_bytes(version.encode() * 50)
    (made / "card.md").write_text(f"# {version}")
    return made
