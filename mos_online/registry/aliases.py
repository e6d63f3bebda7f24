"""Aliases: names for the versions that matter, changed in one step on any filesystem."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import msgspec

from mos_online.errors import ModelError
from mos_online.registry.storage import Storage

FOLDER = "aliases"
KEPT_REVISIONS = 10
"""Revisions that stay, the newest among them."""

_COMMITTED = re.compile(r"(\d{8})\.([0-9a-f]{16})")
_NUMBERED = re.compile(r"(\d{8})\..*")


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
    """Revisions of the aliases, numbered, each in a file of its own that is never changed.

    ``aliases/00000007.json`` holds revision 7, and the empty file ``aliases/00000007.<hash of its content>`` commits
    it. A file is there or is not, so a reader sees revision 6 or 7 and nothing between, even where a file that is being
    written can be seen in part. A revision without its commit is what a dead writer left; its number is not used again.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known = ("", Aliases())

    def read(self) -> tuple[str, Aliases]:
        """The revision, "" before the first, and what it says; costs one listing while nothing changes.

        Raises:
            ModelError: it is damaged.
            RegistryError: the registry cannot be read.
        """
        for _ in range(3):
            names = self._storage.names(FOLDER)
            committed = [name for name in names if _COMMITTED.fullmatch(name)]
            if not committed:
                return "", Aliases()
            newest = committed[-1]
            revision, aliases = self._known
            if newest == revision:
                return revision, aliases
            try:
                content = self._storage.read(f"{FOLDER}/{newest[:8]}.json")
            except FileNotFoundError:  # many revisions later already, or deleted by hand
                continue
            self._known = newest, self._decode(newest, content)
            return self._known
        raise self._damaged(f"{newest[:8]}.json", "is missing")

    def commit(self, aliases: Aliases, check: Callable[[], None]) -> None:
        """Make these the aliases; for the owner of the writers' lock.

        Args:
            aliases: all of them.
            check: raises if the lock is lost; called before the steps that count.

        Raises:
            RegistryError: the lock is lost, or the registry cannot be written.
        """
        names = self._storage.names(FOLDER)
        used = [int(name[:8]) for name in names if _NUMBERED.fullmatch(name)]
        number = max(used, default=0) + 1
        content = msgspec.json.encode(aliases) + b"\n"
        check()
        self._storage.create(f"{FOLDER}/{number:08d}.json", content)
        check()
        self._storage.create(f"{FOLDER}/{number:08d}.{_digest(content)}", b"")
        for name in names:
            if _NUMBERED.fullmatch(name) and int(name[:8]) <= number - KEPT_REVISIONS:
                self._storage.delete(f"{FOLDER}/{name}")

    def _decode(self, revision: str, content: bytes) -> Aliases:
        name = f"{revision[:8]}.json"
        if _digest(content) != revision[9:]:
            raise self._damaged(name, "is not what was written")
        try:
            return msgspec.json.decode(content, type=Aliases)
        except msgspec.MsgspecError as error:
            raise self._damaged(name, f"is of another version of MoS Online: {error}") from None

    def _damaged(self, name: str, what: str) -> ModelError:
        return ModelError(
            f"the aliases of the model registry {self._storage.label} are damaged: {FOLDER}/{name} {what}; choose the "
            f"version to serve with `mos models promote VERSION` (`mos models list` shows them)"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
