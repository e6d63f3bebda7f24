"""The model registry: a folder per version and a pointer to the one in service."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec

from mos_online.errors import ModelError

KEPT = 5
"""Versions that ``publish`` leaves in place, the one in service among them; an older one can be put back by ``use``."""


class Registry:
    """Versions of models on disk; safe for any number of readers beside one writer.

    ``versions/<version>/`` holds one model; ``current`` is a text file with the version in service, replaced in one
    step, so a reader sees the old version or the new one and never a mixture.
    """

    def __init__(self, folder: Path) -> None:
        self._versions = folder / "versions"
        self._pointer = folder / "current"

    def publish(self, folder: Path) -> str:
        """Copy a finished model in, put it into service and return its version.

        Args:
            folder: holds ``config.json`` with the key ``version``, and whatever else belongs to the model.

        Raises:
            ModelError: there is no such file or key.
        """
        version = read_version(folder)
        self._versions.mkdir(parents=True, exist_ok=True)
        target = self._versions / version
        if not target.exists():
            draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._versions))
            shutil.copytree(folder, draft, dirs_exist_ok=True)
            draft.chmod(0o755)
            draft.rename(target)
        os.utime(target)
        self.use(version)
        for old in self.versions()[KEPT:]:
            if old != version:
                shutil.rmtree(self._versions / old)
        return version

    def use(self, version: str) -> None:
        """Put a version into service; also the way back to an older one.

        Raises:
            ModelError: there is no such version.
        """
        if version not in self.versions():
            raise ModelError(f"no model version {version}; there are: {', '.join(self.versions()) or 'none'}")
        draft = self._pointer.with_suffix(".draft")
        draft.write_text(version + "\n")
        draft.replace(self._pointer)

    def current(self) -> Path:
        """Folder of the model in service.

        Raises:
            ModelError: none has been published yet.
        """
        try:
            version = self._pointer.read_text().strip()
        except FileNotFoundError:
            raise ModelError(f"no model in {self._versions.parent}: make one with `mos train`") from None
        folder = self._versions / version
        if not version or not folder.is_dir():
            raise ModelError(f"the model in service, {folder}, is gone: `mos train` makes another")
        return folder

    def versions(self) -> list[str]:
        """Published versions, newest first."""
        if not self._versions.is_dir():
            return []
        folders = [path for path in self._versions.iterdir() if path.is_dir() and not path.name.startswith(".")]
        return [path.name for path in sorted(folders, key=lambda path: (-path.stat().st_mtime_ns, path.name))]


class _Versioned(msgspec.Struct):
    version: str


def read_version(folder: Path) -> str:
    """The version that a model folder's ``config.json`` states.

    Raises:
        ModelError: there is no such file or key, or the version is no plain name.
    """
    try:
        version = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Versioned).version
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{folder} holds no model: config.json: {error}") from None
    if (
        not version
        or not version.replace("-", "").replace(".", "").replace("_", "").isalnum()
        or version.startswith(".")
    ):
        raise ModelError(f"{folder}/config.json: version {version!r} must be a plain name")
    return version
