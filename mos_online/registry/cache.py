"""Versions of a remote registry, fetched once to this machine's disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from mos_online.errors import ModelError
from mos_online.registry.manifest import Manifest
from mos_online.registry.versions import Versions

KEPT_ON_DISK = 3
"""Versions on disk, those used last; so the cache is never larger than three models."""
ABANDONED = 3600.0
"""Seconds after which an unfinished download is that of a dead process."""
_DRAFT = ".fetching-"


class VersionCache:
    """A folder per version, shared by all processes of this machine; safe for any number of them."""

    def __init__(self, folder: Path, versions: Versions) -> None:
        self._folder = folder
        self._versions = versions

    def fetch(self, manifest: Manifest) -> Path:
        """The folder of a version on this machine, checked; downloaded if it is not here or damaged.

        Raises:
            ModelError: what the registry holds is not what the manifest says.
            RegistryError: the registry cannot be read.
        """
        target = self._folder / f"{manifest.version}-{manifest.digest[:16]}"
        if not self._is_here(manifest, target):
            self._download(manifest, target)
        os.utime(target)
        self._shrink(target)
        return target

    def _is_here(self, manifest: Manifest, target: Path) -> bool:
        if not target.is_dir():
            return False
        try:
            manifest.check(target)
        except ModelError:
            shutil.rmtree(target, ignore_errors=True)
            return False
        return True

    def _download(self, manifest: Manifest, target: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self._folder))
        try:
            self._versions.download(manifest, draft)
            manifest.check(draft)
            draft.chmod(0o755)
            with suppress(OSError):  # another process was faster
                draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _shrink(self, used: Path) -> None:
        """Remove what was used longest ago. A process that has such a model open keeps it."""
        ages: list[tuple[float, Path]] = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                ages.append((path.stat().st_mtime, path))
        drafts = [path for age, path in ages if path.name.startswith(_DRAFT) and age < time.time() - ABANDONED]
        whole = [path for _, path in sorted(ages, reverse=True) if not path.name.startswith(_DRAFT) and path != used]
        for path in drafts + whole[KEPT_ON_DISK - 1 :]:
            shutil.rmtree(path, ignore_errors=True)
