"""The model registry: a folder per version and a pointer to the one in service."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from mos_online.errors import ModelError

KEPT = 5
"""Versions that ``publish`` leaves in place, the one in service among them; an older one can be put back by ``use``."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


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
            try:
                shutil.copytree(folder, draft, dirs_exist_ok=True)
                draft.chmod(0o755)
                draft.rename(target)
            except BaseException:
                shutil.rmtree(draft)
                raise
        os.utime(target)
        self.use(version)
        for old in self.versions()[KEPT:]:
            gone = self._versions / f".gone-{old}"
            (self._versions / old).rename(gone)  # in one step: nobody sees half a model
            shutil.rmtree(gone)
        return version

    def use(self, version: str) -> None:
        """Put a version into service; also the way back to an older one.

        Raises:
            ModelError: there is no such version.
        """
        if version not in self.versions():
            raise ModelError(f"no model version {version}; there are: {', '.join(self.versions()) or 'none'}")
        with tempfile.NamedTemporaryFile("w", dir=self._pointer.parent, prefix=".current-", delete=False) as draft:
            draft.write(version + "\n")
            draft.flush()
            os.fsync(draft.fileno())  # or a power cut could leave an empty pointer
        Path(draft.name).chmod(0o644)
        os.replace(draft.name, self._pointer)

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
        if not _PLAIN_NAME.fullmatch(version) or not folder.is_dir():
            raise ModelError(
                f"the model in service, {version!r} of {self._versions}, is gone: `mos train` makes another"
            )
        return folder

    def versions(self) -> list[str]:
        """Published versions, newest first."""
        if not self._versions.is_dir():
            return []
        published: list[tuple[int, str]] = []
        for path in self._versions.iterdir():
            with suppress(FileNotFoundError):  # removed by the writer in this very moment
                if _PLAIN_NAME.fullmatch(path.name) and path.is_dir():
                    published.append((-path.stat().st_mtime_ns, path.name))
        return [name for _, name in sorted(published)]


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
    if not _PLAIN_NAME.fullmatch(version):
        raise ModelError(f"{folder}/config.json: version {version!r} must be a plain name of letters, digits and ._-")
    return version
