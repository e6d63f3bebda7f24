"""Aliases: names for the versions that matter, changed in one step on any filesystem."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mos_online.errors import ModelError
from mos_online.registry.numbered import NumberedFiles, file_of
from mos_online.registry.storage import Storage

FOLDER = "aliases"
KEPT_REVISIONS = 10
"""Revisions that stay, the newest among them."""


class Aliases(msgspec.Struct, frozen=True, kw_only=True):
    """Which version each alias names; None where there is none.

    Attributes:
        champion: is in service.
        candidate: was added last and is not in service yet.
        previous: was in service before the champion.
    """

    champion: str | None = None
    candidate: str | None = None
    previous: str | None = None

    def versions(self) -> set[str]:
        """All versions that have an alias."""
        return {version for version in msgspec.structs.astuple(self) if version is not None}

    def of(self, version: str) -> list[str]:
        """The aliases of a version."""
        return [alias for alias in NAMES if getattr(self, alias) == version]


NAMES = Aliases.__struct_fields__


class AliasHistory:
    """Revisions of the aliases, numbered (``mos_online.registry.numbered``)."""

    def __init__(self, storage: Storage) -> None:
        self._label = storage.label
        self._files = NumberedFiles(storage, FOLDER, kept=KEPT_REVISIONS)
        self._known = ("", Aliases())

    def read(self) -> tuple[str, Aliases]:
        """The revision, "" before the first, and what it says; costs one listing while nothing changes.

        Raises:
            ModelError: it is damaged.
            RegistryError: the registry cannot be read.
        """
        for _ in range(3):
            committed = self._files.committed()
            if not committed:
                return "", Aliases()
            newest = committed[-1]
            revision, aliases = self._known
            if newest == revision:
                return revision, aliases
            try:
                content = self._files.read(newest)
            except FileNotFoundError:  # many revisions later already, or deleted by hand
                continue
            self._known = newest, self._decode(newest, content)
            return self._known
        raise self._damaged(file_of(newest), "is missing")

    def commit(self, aliases: Aliases, check: Callable[[], None]) -> None:
        """Make these the aliases; as ``NumberedFiles.commit``."""
        self._files.commit(msgspec.json.encode(aliases) + b"\n", check)

    def _decode(self, revision: str, content: bytes | None) -> Aliases:
        if content is None:
            raise self._damaged(file_of(revision), "is not what was written")
        try:
            return msgspec.json.decode(content, type=Aliases)
        except msgspec.MsgspecError as error:
            raise self._damaged(file_of(revision), f"is of another version of MoS Online: {error}") from None

    def _damaged(self, name: str, what: str) -> ModelError:
        return ModelError(
            f"the aliases of the model registry {self._label} are damaged: {FOLDER}/{name} {what}; choose the "
            f"version to serve with `mos models promote VERSION` (`mos models list` shows them)"
        )
