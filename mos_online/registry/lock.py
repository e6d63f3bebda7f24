"""One writer at a time, on any filesystem that shows what was written to every later listing."""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mos_online.errors import RegistryError, RegistryHeldError
from mos_online.registry.storage import Storage

FOLDER = "lock"
"""Of the claims of those who write the registry."""
LEARNER = "learner"
"""Of the claims of learners, of which there is one to a registry."""
LEASE = 20.0
"""Seconds after which a claim that nobody renews is taken for that of a dead writer."""
TIMEOUT = 300.0
"""Seconds to wait for other writers."""
PAUSE = 0.1
"""Seconds between two looks at the claims, about."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Lease:
    """The right to write, as long as it is renewed.

    Attributes:
        storage: of the registry.
        seconds: see ``LEASE``.
        claim: path of our file.
        renewed: when the last renewal that succeeded was begun, in seconds of the monotonic clock.
        lost: somebody has taken our claim away.
    """

    storage: Storage
    seconds: float
    claim: str
    renewed: float
    lost: bool = False
    _released: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Call this before every step that another writer must not see half of.

        Raises:
            RegistryError: we were held up for so long that another writer may have begun.
        """
        silent = time.monotonic() - self.renewed
        if self.lost or silent > self.seconds / 2:
            raise RegistryError(
                f"our claim {self.claim} in {self.storage.label} is lost: it was not renewed for {silent:.0f} s, and "
                f"somebody else may have begun; nothing was put into service, run the command again"
            )

    def keep(self) -> None:
        """Renew until released; run it in a thread."""
        beat = 0
        while not self._released.wait(self.seconds / 8) and not self.lost:
            begun, beat = time.monotonic(), beat + 1
            if begun - self.renewed > self.seconds / 2:
                self.lost = True
                return
            try:
                if _name(self.claim) not in self.storage.names(self.claim.rpartition("/")[0]):
                    self.lost = True
                    return
                self.storage.write(self.claim, _owner(beat))
            except RegistryError as error:
                log.warning("the lock was not renewed: %s", error)  # `check` knows for how long
            else:
                self.renewed = begun

    def release(self, keeper: threading.Thread) -> None:
        """Give the lock up, so that others can write."""
        self._released.set()
        keeper.join()  # a renewal that is under way would bring the claim back
        self.storage.delete(self.claim)


class WriterLock:
    """A folder of claims. A writer puts up a claim, looks, and has the lock if there is no other claim.

    Of two that claim at once at least one sees the other and steps back, so there are never two owners. Nothing has to
    be created exclusively or renamed. The claim of a dead writer is removed when it has not changed for ``LEASE``
    seconds by the clock of whoever waits, so clocks need not agree. A writer that was only held up notices by its own
    clock that its lease has run out, before it takes its next step.
    """

    def __init__(
        self, storage: Storage, folder: str = FOLDER, *, lease: float = LEASE, timeout: float = TIMEOUT
    ) -> None:
        """``folder`` of the claims; ``lease`` and ``timeout`` in seconds. All writers must use the same lease."""
        self._storage = storage
        self._folder = folder
        self._lease = lease
        self._timeout = timeout

    @contextmanager
    def held(self) -> Iterator[Lease]:
        """Hold the lock.

        Raises:
            RegistryHeldError: other writers do not finish.
            RegistryError: the registry cannot be written.
        """
        lease = self._acquire()
        keeper = threading.Thread(target=lease.keep, name="registry-lock", daemon=True)
        keeper.start()
        try:
            yield lease
        finally:
            lease.release(keeper)

    def _acquire(self) -> Lease:
        deadline = time.monotonic() + self._timeout
        watch = _Watch(self._storage, self._folder, self._lease)
        while True:
            owners = watch.living()
            if not owners and (lease := self._claim()):
                return lease
            if time.monotonic() > deadline:
                raise RegistryHeldError(
                    f"{self._storage.label}/{self._folder} is held by {', '.join(owners) or 'others'} for more than "
                    f"{self._timeout:.0f} s: wait until that has finished, or stop it, and try again"
                )
            time.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - so that two do not step back together for ever

    def _claim(self) -> Lease | None:
        claim = f"{self._folder}/{secrets.token_hex(8)}"
        lease = Lease(storage=self._storage, seconds=self._lease, claim=claim, renewed=time.monotonic())
        alone = False
        try:
            self._storage.create(lease.claim, _owner(0))
            alone = self._storage.names(self._folder) == [_name(lease.claim)]
            alone = alone and time.monotonic() - lease.renewed < self._lease / 2
        finally:
            if not alone:
                self._storage.delete(lease.claim)
        return lease if alone else None


class _Watch:
    """Remembers since when the claims of others have not changed, and removes those of dead writers."""

    def __init__(self, storage: Storage, folder: str, lease: float) -> None:
        self._storage = storage
        self._folder = folder
        self._lease = lease
        self._seen: dict[str, tuple[bytes, float]] = {}

    def living(self) -> list[str]:
        """Owners of the claims that count."""
        owners = []
        for name in self._storage.names(self._folder):
            begun = time.monotonic()
            try:
                content = self._storage.read(f"{self._folder}/{name}")
            except FileNotFoundError:  # released in this moment
                continue
            known, since = self._seen.get(name, (None, begun))
            if known != content:
                self._seen[name] = (content, time.monotonic())
            elif begun - since > self._lease:
                log.warning("removing the lock of a writer that is gone: %s", _shown(content))
                self._storage.delete(f"{self._folder}/{name}")
                continue
            owners.append(_shown(content))
        return owners


def _owner(beat: int) -> bytes:
    return f"{socket.gethostname()} process {os.getpid()} renewal {beat}\n".encode()


def _shown(content: bytes) -> str:
    return content.decode(errors="replace").partition(" renewal")[0].strip() or "an unknown writer"


def _name(path: str) -> str:
    return path.rpartition("/")[2]
