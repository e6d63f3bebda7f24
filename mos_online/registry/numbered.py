"""Numbered revisions of a small document, changed in one step on any filesystem."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable

from mos_online.errors import RegistryError
from mos_online.registry.storage import Storage

_COMMITTED = re.compile(r"(\d{8})\.([0-9a-f]{16})")
_NUMBERED = re.compile(r"(\d{8})\..*")

log = logging.getLogger(__name__)


class NumberedFiles:
    """Revisions, numbered from 1 on, each in a file of its own that is never changed.

    ``<folder>/00000007.json`` holds revision 7, and the empty file ``<folder>/00000007.<hash of its content>`` commits
    it. A file is there or is not, so a reader sees revision 6 or 7 and nothing between, even where a file that is being
    written can be seen in part. A revision without its commit is what a dead writer left; its number is not used again.
    """

    def __init__(self, storage: Storage, folder: str, *, kept: int) -> None:
        """Name a folder. Nothing is read yet.

        Args:
            storage: of the registry.
            folder: of these revisions.
            kept: revisions that stay, the newest among them.
        """
        self._storage = storage
        self._folder = folder
        self._kept = kept

    def committed(self) -> list[str]:
        """The commits, oldest first; costs one listing.

        Raises:
            RegistryError: the registry cannot be read.
        """
        return [name for name in self._storage.names(self._folder) if _COMMITTED.fullmatch(name)]

    def read(self, commit: str) -> bytes | None:
        """The content of a commit; None if it is not what was written.

        Raises:
            FileNotFoundError: it is not there: newer ones came meanwhile, or it was deleted by hand.
            RegistryError: the registry cannot be read.
        """
        content = self._storage.read(f"{self._folder}/{file_of(commit)}")
        return content if _digest(content) == commit[9:] else None

    def commit(self, content: bytes, check: Callable[[], None]) -> str:
        """Make this the newest revision, and return its commit; for the owner of the writers' lock.

        Args:
            content: all of it.
            check: raises if the lock is lost; called before the steps that count.

        Raises:
            RegistryError: the lock is lost, somebody else has committed meanwhile, or the registry cannot be written.
                This content is not in force then, unless the message says that it may be.
        """
        names = self._storage.names(self._folder)
        used = [int(name[:8]) for name in names if _NUMBERED.fullmatch(name)]
        number = max(used, default=0) + 1
        commit = f"{number:08d}.{_digest(content)}"
        try:
            check()
            self._storage.create(f"{self._folder}/{file_of(commit)}", content)
            check()
            self._storage.create(f"{self._folder}/{commit}", b"")
        except FileExistsError:
            raise self._overtaken(number) from None
        if not self._is_last(commit):
            raise self._overtaken(number)
        self._remove(name for name in names if _NUMBERED.fullmatch(name) and int(name[:8]) <= number - self._kept)
        return commit

    def _is_last(self, commit: str) -> bool:
        """Whether this commit is the newest, and the only one with its number; it is taken back if not."""
        try:
            if [name for name in self.committed() if name >= commit[:8]] == [commit]:
                return True
            self._storage.delete(f"{self._folder}/{commit}")
        except RegistryError as error:
            raise RegistryError(
                f"revision {int(commit[:8])} of {self._folder} was written and may be in force, or somebody else's of "
                f"the same moment: look before you run the command again. {error}"
            ) from None
        return False

    def _remove(self, names: Iterable[str]) -> None:
        """Delete what nobody reads any more; what cannot be deleted now is deleted with the next revision."""
        try:
            for name in names:
                self._storage.delete(f"{self._folder}/{name}")
        except RegistryError as error:
            log.warning("old revisions stay for now: %s", error)

    def _overtaken(self, number: int) -> RegistryError:
        return RegistryError(
            f"somebody else has written {self._folder} of {self._storage.label} at the same time, as revision {number} "
            "or later: nothing of yours is in force, run the command again"
        )


def file_of(commit: str) -> str:
    """The file that holds the content of a commit."""
    return f"{commit[:8]}.json"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
