"""Versions of a remote registry, fetched once to this machine's disk."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mos_online.errors import ModelError, RegistryError
from mos_online.registry.manifest import Manifest
from mos_online.registry.versions import Versions

KEPT_ON_DISK = 3
"""Versions that stay although they are not in force, those used last."""
SETTLED = 3600.0
"""Seconds after which whoever fetched a version has loaded it, and an unfinished download is that of a dead process."""
_HIDDEN = "."
_DRAFT = ".fetching-"
_LOCK = ".lock"


class VersionCache:
    """A folder per version, shared by all processes of this machine; safe for any number of them.

    Nobody removes what is in force, or what somebody has asked for within the last hour.
    """

    def __init__(self, folder: Path, versions: Versions, in_force: Callable[[], Collection[str] | None]) -> None:
        """Name a folder. Nothing is read or written yet.

        Args:
            folder: of this machine.
            versions: of the registry.
            in_force: the versions that may be needed at any time; None if that is not known, and then all stay.
        """
        self._folder = folder
        self._versions = versions
        self._in_force = in_force

    def fetch(self, manifest: Manifest) -> Path:
        """The folder of a version on this machine, checked; downloaded if it is not here or damaged.

        Raises:
            ModelError: what the registry holds is not what the manifest says.
            RegistryError: the registry cannot be read, or the folder cannot be written.
        """
        target = self._folder / f"{manifest.version}-{manifest.digest[:16]}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._is_here(manifest, target):
                self._download(manifest, target)
            self._shrink()
        except OSError as error:
            raise RegistryError(
                f"the models of {self._folder} cannot be read or written: {error}; check the permissions and the free "
                "space, or choose another MOS_HOME"
            ) from error
        return target

    def _is_here(self, manifest: Manifest, target: Path) -> bool:
        """Whether it is here and whole. From now on nobody removes it."""
        with self._alone():
            if not target.is_dir():
                return False
            os.utime(target)
            copy = os.open(target, os.O_RDONLY)  # as long as it is open, no other folder gets its number
        try:
            manifest.check(target)
        except (ModelError, FileNotFoundError):
            with self._alone():
                if target.is_dir() and os.path.samestat(target.stat(), os.fstat(copy)):  # nobody has replaced it yet
                    shutil.rmtree(target)
            return False
        finally:
            os.close(copy)
        return True

    def _download(self, manifest: Manifest, target: Path) -> None:
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self._folder))
        try:
            self._versions.download(manifest, draft)
            manifest.check(draft)
            draft.chmod(0o755)
            with self._alone():
                if target.is_dir():  # another process was faster
                    os.utime(target)
                else:
                    draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _shrink(self) -> None:
        """Remove what was used longest ago and is not in force, and what dead processes left."""
        for draft in self._folder.glob(f"{_DRAFT}*"):
            with suppress(FileNotFoundError):
                if _used(draft) < time.time() - SETTLED:
                    shutil.rmtree(draft, ignore_errors=True)
        with self._alone():
            old = self._settled()
        needed = self._in_force() if old else None
        if needed is None:
            return
        with self._alone():
            for path in self._settled():  # again, since somebody may have asked for one of them meanwhile
                if path.name.rpartition("-")[0] not in needed:
                    shutil.rmtree(path, ignore_errors=True)

    def _settled(self) -> list[Path]:
        """Folders that may go, if their versions are not in force."""
        ages = {path: _used(path) for path in self._folder.iterdir() if not path.name.startswith(_HIDDEN)}
        newest_first = sorted(ages, key=lambda path: -ages[path])
        return [path for path in newest_first[KEPT_ON_DISK:] if ages[path] < time.time() - SETTLED]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """For moments only: nobody waits here for a download or a registry."""
        with (self._folder / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also by a crash
            yield


def _used(path: Path) -> float:
    return path.stat().st_mtime
