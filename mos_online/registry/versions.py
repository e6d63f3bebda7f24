"""Versions of models: a folder for each, complete or not to be seen at all."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from mos_online.errors import ModelError
from mos_online.registry.manifest import FILE, REMEDY, UNFINISHED, Manifest
from mos_online.registry.storage import Storage

FOLDER = "versions"


class Versions:
    """``versions/<version>/`` holds the files of one model and its manifest, which is written last.

    While a folder is being filled or emptied it holds the file ``unfinished``, and does not count as a version. What a
    dead writer left is therefore known for what it is, on any filesystem, and the next writer removes it.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def names(self) -> list[str]:
        """Complete versions, in the order of their names."""
        return [name for name in self._storage.names(FOLDER) if self._is_complete(self._storage.names(_path(name)))]

    def manifest(self, version: str) -> Manifest:
        """The manifest of a version.

        Raises:
            ModelError: there is no such version, or its manifest is damaged.
        """
        where = f"{self._storage.label}/{_path(version)}/{FILE}"
        try:
            content = self._storage.read(f"{_path(version)}/{FILE}")
        except FileNotFoundError:
            raise ModelError(f"model {version} is damaged or gone: {where} is missing; {REMEDY}") from None
        manifest = Manifest.decode(content, where)
        if manifest.version != version:
            raise ModelError(f"{where} is that of model {manifest.version}; {REMEDY}")
        return manifest

    def download(self, manifest: Manifest, target: Path) -> None:
        """Copy the files of a version into a folder of this machine.

        Raises:
            ModelError: one is missing.
        """
        for name in manifest.files:
            path = f"{_path(manifest.version)}/{name}"
            try:
                self._storage.download(path, target / name)
            except FileNotFoundError:
                raise ModelError(
                    f"model {manifest.version} is damaged: {self._storage.label}/{path} is missing; {REMEDY}"
                ) from None

    def store(self, folder: Path, manifest: Manifest, check: Callable[[], None]) -> None:
        """Copy a finished model in; for the owner of the writers' lock.

        Args:
            folder: of this machine.
            manifest: of the folder.
            check: raises if the lock is lost; called before each step.
        """
        target = _path(manifest.version)
        check()
        self._storage.write(f"{target}/{UNFINISHED}", b"")
        self._storage.delete(f"{target}/{FILE}")
        for name in self._storage.names(target):
            if name not in manifest.files and name != UNFINISHED:
                check()
                self._storage.delete(f"{target}/{name}")
        for name in manifest.files:
            check()
            self._storage.upload(folder / name, f"{target}/{name}")
        check()
        self._storage.write(f"{target}/{FILE}", manifest.encode())
        check()
        self._storage.delete(f"{target}/{UNFINISHED}")

    def tidy(self, keep: Collection[str], check: Callable[[], None]) -> None:
        """Remove what dead writers left; for the owner of the writers' lock. ``keep`` names versions to leave alone."""
        for version in self._storage.names(FOLDER):
            names = self._storage.names(_path(version))
            if version not in keep and (UNFINISHED in names or not names):
                self.remove(version, check)

    def remove(self, version: str, check: Callable[[], None]) -> None:
        """Remove a version; for the owner of the writers' lock."""
        target = _path(version)
        check()
        self._storage.write(f"{target}/{UNFINISHED}", b"")
        for name in self._storage.names(target):
            if name != UNFINISHED:
                check()
                self._storage.delete(f"{target}/{name}")
        self._storage.delete(f"{target}/{UNFINISHED}")
        self._storage.delete_folder(target)

    @staticmethod
    def _is_complete(names: Collection[str]) -> bool:
        return FILE in names and UNFINISHED not in names


def _path(version: str) -> str:
    return f"{FOLDER}/{version}"
