"""The manifest of a version: what its folder must hold, to the byte."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mos_online.errors import ModelError
from mos_online.registry.aliases import NAMES
from mos_online.registry.model_config import load_config

FILE = "manifest.json"
UNFINISHED = "unfinished"
"""A version's folder that holds a file of this name is being made or removed."""
CARD = "card.md"
"""Words about the model; it may differ where the model is the same."""

_VERSION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
REMEDY = "add it again (`mos train`), or serve another version (`mos models promote VERSION`, `mos models rollback`)"


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: bytes and SHA-256 (hexadecimal)."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a version's folder, beside the manifest itself.

    Attributes:
        version: of the model.
        created_at: when it was added (ms); decides which versions are old.
        format: of the checkpoint.
        router_version: of the router in it.
        digest: one hash over weights, router, catalogue and configuration: all files but the card.
        files: name -> what it must be.
        metrics: of the model card, such as ``hit_rate_at_10``; empty where there are none.
    """

    version: str
    created_at: int
    format: int
    router_version: str
    digest: str
    files: dict[str, ModelFile]
    metrics: dict[str, float]

    def encode(self) -> bytes:
        """JSON for people and programs."""
        return msgspec.json.format(msgspec.json.encode(self)) + b"\n"

    @classmethod
    def decode(cls, content: bytes, where: str) -> Manifest:
        """Read a manifest that ``encode`` wrote.

        Args:
            content: of the file.
            where: the file, for the message.

        Raises:
            ModelError: it is damaged.
        """
        try:
            manifest = msgspec.json.decode(content, type=cls)
        except msgspec.MsgspecError as error:
            raise ModelError(f"{where} is damaged: {error}; {REMEDY}") from None
        names = manifest.files
        if manifest.digest != digest(names) or any("/" in name or name.startswith(".") for name in names):
            raise ModelError(f"{where} is damaged: its hash is not that of its files; {REMEDY}")
        return manifest

    def check(self, folder: Path) -> None:
        """Compare a folder with the manifest.

        Raises:
            ModelError: a file is missing, damaged or not listed; it names the file and the remedy.
        """
        present = _files(folder)
        for name, file in self.files.items():
            if name not in present:
                raise ModelError(f"model {self.version} is damaged: {folder / name} is missing; {REMEDY}")
            if _measured(folder / name) != file:
                raise ModelError(f"model {self.version} is damaged: {folder / name} is not what was added; {REMEDY}")
        extra = sorted(present - self.files.keys())
        if extra:
            raise ModelError(f"model {self.version} is changed: {folder / extra[0]} was not added with it; delete it")


def describe(folder: Path, metrics: Mapping[str, float]) -> Manifest:
    """The manifest of a finished model in a folder of this machine.

    Raises:
        ModelError: the folder holds no model, a file that cannot be kept, or its version is no plain name.
    """
    config = load_config(folder)
    require_plain(config.version, f"{folder / 'config.json'}: ")
    names = sorted(_files(folder))
    odd = [path.name for path in folder.iterdir() if not path.is_file()]
    if odd:
        raise ModelError(f"{folder / odd[0]} cannot be part of a model: leave only the files that training wrote")
    files = {name: _measured(folder / name) for name in names}
    return Manifest(
        version=config.version,
        created_at=time.time_ns() // 1_000_000,
        format=config.format,
        router_version=config.router_version,
        digest=digest(files),
        files=files,
        metrics=dict(metrics),
    )


def require_plain(version: str, where: str = "") -> None:
    """Raise ModelError unless ``version`` can name a folder and is not an alias."""
    if not _VERSION.fullmatch(version) or version in NAMES:
        raise ModelError(
            f"{where}version {version!r} must be a plain name of at most 100 letters, digits and ._-, and not one of "
            f"{', '.join(NAMES)}"
        )


def digest(files: Mapping[str, ModelFile]) -> str:
    """One hash over all files but the card."""
    lines = (f"{name} {file.size} {file.sha256}\n" for name, file in sorted(files.items()) if name != CARD)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(folder: Path) -> set[str]:
    """Names of the model's files: not ours, nor those of the operating system, which begin with a dot."""
    names = {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
    return names - {FILE, UNFINISHED}


def _measured(path: Path) -> ModelFile:
    with path.open("rb") as file:
        return ModelFile(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size=path.stat().st_size)
