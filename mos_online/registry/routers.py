"""The revisions of routers in the registry: a file for each, which is the truth that topic and store only carry."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from mos_online.contracts import RouterUpdate, decode_router_update, encode
from mos_online.errors import ContractError, ModelError
from mos_online.experiments.treatment import CHAMPION
from mos_online.registry.lock import WriterLock
from mos_online.registry.storage import Storage
from mos_online.themes.timeline import InForce

FOLDER = "routers"
KEPT = 200
"""Revisions of an epoch that stay: a replay needs those that were in force when its sessions closed."""

_NAMED = re.compile(r"(\d{8})\.(\d{1,15})\.([A-Za-z0-9-]{1,40})\.([0-9a-f]{16})\.json")


class RouterHistory:
    """The revisions of one epoch for one arm, numbered from 1 on, each in a file that is never changed.

    ``routers/<epoch>/<sequence>.<effective_from>.<version>.<hash of the content>.json`` holds a revision. So one
    listing says what is in force when. A file that can be seen in part does not have the hash that its name says.
    """

    def __init__(self, storage: Storage, epoch: str, arm: str = CHAMPION) -> None:
        """Name an epoch, and the arm that is served. Nothing is read yet."""
        self.epoch = epoch
        self._storage = storage
        self._folder = f"{FOLDER}/{epoch}" if arm == CHAMPION else f"{FOLDER}/{epoch}/arms/{arm}"
        self._lock = WriterLock(storage)

    def revisions(self) -> list[InForce]:
        """All that are there, by sequence; costs one listing.

        Raises:
            RegistryError: the registry cannot be read.
        """
        return [_in_force(name) for name in self._names()]

    def read(self, sequence: int) -> RouterUpdate:
        """A revision with all its rows.

        Raises:
            ModelError: it is not there, or damaged.
            RegistryError: the registry cannot be read.
        """
        for name in self._names():
            if _in_force(name).sequence == sequence:
                return self._read(name)
        raise ModelError(
            f"the model registry {self._storage.label} has no revision {sequence} of router {self.epoch}; "
            f"`mos routers list` shows what there is"
        )

    def remove(self) -> None:
        """Remove all revisions of an arm that nobody reads any more.

        Raises:
            RegistryError: the registry cannot be written.
        """
        for name in self._storage.names(self._folder):
            self._storage.delete(f"{self._folder}/{name}")
        self._storage.delete_folder(self._folder)

    def newest(self) -> RouterUpdate | None:
        """The revision of the highest sequence; None if there is none. Raises as ``read``."""
        names = self._names()
        return self._read(names[-1]) if names else None

    def place(self, sequence: int) -> str:
        """The path of a revision's file in the registry. Raises as ``read``."""
        for name in self._names():
            if _in_force(name).sequence == sequence:
                return f"{self._folder}/{name}"
        raise ModelError(f"{self._storage.label} has no revision {sequence} of router {self.epoch}")

    def add(self, update: RouterUpdate) -> RouterUpdate:
        """Store a revision, with all its rows; and remove what has become too old.

        Returns:
            What is stored under its sequence. Where another writer was faster, that is the other one's.

        Raises:
            ModelError: sequences are missing before it.
            RegistryError: the registry cannot be written.
        """
        content = encode(update)
        with self._lock.held() as lease:
            names = self._names()
            newest = _in_force(names[-1]).sequence if names else 0
            if update.sequence <= newest:
                return self.read(update.sequence)
            if update.sequence > newest + 1:
                raise ModelError(f"revision {update.sequence} of router {self.epoch} cannot follow revision {newest}")
            lease.check()
            self._storage.write(f"{self._folder}/{_name(update, content)}", content)
            for name in names[: max(0, len(names) + 1 - KEPT)]:
                lease.check()
                self._storage.delete(f"{self._folder}/{name}")
        return update

    def _names(self) -> Sequence[str]:
        return [name for name in self._storage.names(self._folder) if _NAMED.fullmatch(name)]

    def _read(self, name: str) -> RouterUpdate:
        where = f"{self._storage.label}/{self._folder}/{name}"
        try:
            content = self._storage.read(f"{self._folder}/{name}")
        except FileNotFoundError:
            raise ModelError(f"{where} was removed just now: it is older than the newest {KEPT}") from None
        if _hash(content) != name.split(".")[3]:
            raise ModelError(f"{where} is damaged: its content is not what its name says; delete it")
        try:
            return decode_router_update(content)
        except ContractError as error:
            raise ModelError(f"{where} is of another version of MoS Online: {error}; delete it") from None


def _name(update: RouterUpdate, content: bytes) -> str:
    return f"{update.sequence:08d}.{update.effective_from}.{update.version}.{_hash(content)}.json"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _in_force(name: str) -> InForce:
    sequence, effective_from, version, _, _ = name.split(".")
    return InForce(sequence=int(sequence), version=version, effective_from=int(effective_from))
