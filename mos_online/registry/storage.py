"""Files of the registry below one root, on this machine's disk or wherever fsspec finds them.

The registry asks little of a filesystem: that a file which was written or deleted is seen so by every later listing
and read. Renaming is not used. A file that is being overwritten may be seen in part, and two exclusive creations at
once may both succeed, where the filesystem knows nothing better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mos_online.errors import RegistryError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class Storage:
    """Files of any filesystem that fsspec knows; paths are relative to the root, with ``/`` between the parts.

    All methods raise RegistryError where the filesystem fails, and FileNotFoundError where a file is not there.
    """

    def __init__(self, filesystem: AbstractFileSystem, root: str, label: str) -> None:
        """``label`` names the root in messages; it holds no password."""
        self.label = label
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def names(self, folder: str) -> list[str]:
        """Names of the files and folders directly in ``folder``, sorted; none if there is no such folder."""
        path = self._path(folder)
        with self._attempt("listed"):
            self._filesystem.invalidate_cache(path)
            try:
                entries = self._filesystem.ls(path, detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        found = {entry.rstrip("/") for entry in entries} - {path.rstrip("/"), path.strip("/")}
        return sorted({entry.rpartition("/")[2] for entry in found})

    def read(self, path: str) -> bytes:
        """Read the content of a file."""
        with self._attempt("read"):
            return bytes(self._filesystem.cat_file(self._path(path)))

    def write(self, path: str, data: bytes) -> None:
        """Create or replace a file."""
        with self._attempt("written"):
            self._in_folder(path, lambda: self._filesystem.pipe_file(self._path(path), data))

    def create(self, path: str, data: bytes) -> None:
        """Create a file.

        Raises:
            FileExistsError: it is there already.
        """
        with self._attempt("written"):
            self._in_folder(path, lambda: self._filesystem.pipe_file(self._path(path), data, mode="create"))

    def upload(self, source: Path, path: str) -> None:
        """Create or replace a file with the content of one of this machine."""
        with self._attempt("written"):
            self._in_folder(path, lambda: self._filesystem.put_file(str(source), self._path(path)))

    def download(self, path: str, target: Path) -> None:
        """Copy a file to this machine."""
        with self._attempt("read"):
            self._filesystem.get_file(self._path(path), str(target))

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens if it is not there."""
        with self._attempt("written"):
            try:
                self._filesystem.rm_file(self._path(path))
            except FileNotFoundError:
                return

    def delete_folder(self, folder: str) -> None:
        """Delete an empty folder, on filesystems where folders exist by themselves."""
        with self._attempt("written"):
            try:
                self._filesystem.rmdir(self._path(folder))
            except (FileNotFoundError, NotImplementedError):
                return

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _in_folder(self, path: str, write: Callable[[], object]) -> None:
        try:
            write()
        except FileNotFoundError:  # object stores have no folders to make
            self._filesystem.makedirs(self._path(path.rpartition("/")[0]), exist_ok=True)
            write()

    @contextmanager
    def _attempt(self, done: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # the libraries behind fsspec have no common base of their errors
            raise RegistryError(
                f"the model registry {self.label} cannot be {done}: {type(error).__name__}: {error}; check MOS_MODELS, "
                f"the permissions and the connection"
            ) from error
