"""Files of the registry on this machine's disk: replaced in one step, and safe against a power cut."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fsspec.implementations.local import LocalFileSystem

from mos_online.registry.storage import Storage


class LocalStorage(Storage):
    """A registry in a local folder.

    A reader sees a file that is replaced either as it was before or as it is after, also if it has the file open.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        super().__init__(LocalFileSystem(), self.root.as_posix(), str(root))

    def names(self, folder: str) -> list[str]:
        """See ``Storage``; names that begin with a dot are drafts of ours or belong to the operating system."""
        with self._attempt("listed"):
            try:
                return sorted(name for name in os.listdir(self.root / folder) if not name.startswith("."))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def write(self, path: str, data: bytes) -> None:
        """Create or replace a file, in one step for its readers."""
        self._replace(path, lambda file: file.write(data))

    def upload(self, source: Path, path: str) -> None:
        """Create or replace a file with the content of another, in one step for its readers."""
        with source.open("rb") as content:
            self._replace(path, lambda file: shutil.copyfileobj(content, file))

    def create(self, path: str, data: bytes) -> None:
        """See ``Storage``; of two at once, exactly one succeeds."""
        with self._attempt("written"):
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _sync(target.parent)

    def delete_folder(self, folder: str) -> None:
        """See ``Storage``; drafts that a killed writer left in it go with it."""
        with self._attempt("written"), suppress(FileNotFoundError):
            for draft in (self.root / folder).glob(".*"):
                draft.unlink()
            (self.root / folder).rmdir()

    def _replace(self, path: str, fill: Callable[[BinaryIO], object]) -> None:
        target = self.root / path
        with self._attempt("written"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with _draft(target) as draft:
                with draft.open("xb") as file:
                    fill(file)
                    file.flush()
                    os.fsync(file.fileno())  # or a power cut could leave an empty file under the name
                os.replace(draft, target)
            _sync(target.parent)


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    draft = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
