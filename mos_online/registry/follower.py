"""Follows the registry: the version in service, loaded, for whoever answers with it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mos_online.errors import ModelError, RegistryError
from mos_online.registry.aliases import Aliases

Loaded = TypeVar("Loaded")

log = logging.getLogger(__name__)


class Followed(Protocol):
    """The part of ``Registry`` that is followed."""

    def champion(self) -> tuple[str, str]:
        """The revision of the aliases, and the version in service."""

    def aliases(self) -> Aliases:
        """The version that each alias names."""

    def fetch(self, version: str) -> Path:
        """A folder of this machine with the files of the version."""


class RegistryFollower(Generic[Loaded]):
    """Loads each version that goes into service, once, and stays with the old one when that fails.

    A version that cannot be loaded is not tried again until the aliases change; only where the registry could not be
    reached it is, every ``retry`` seconds. Call ``poll`` from a thread or ``poll_async`` from an event loop, as often
    as you like, and use ``loaded``.
    """

    def __init__(
        self,
        registry: Followed,
        load: Callable[[Path], Loaded],
        *,
        every: float = 0.5,
        retry: float = 10.0,
        keep: float = 0.0,
    ) -> None:
        """Load the version in service, or the previous one if that is damaged; ``problem`` then says why.

        Args:
            registry: to follow.
            load: makes of a version's folder what is needed of it; raises ModelError if it cannot.
            every: seconds from one look at the registry to the next, at least.
            retry: seconds until a version that could not be fetched is tried again.
            keep: seconds for which the version before stays loaded, so that to go back to it takes no time.

        Raises:
            ModelError: no version is in service, or it is damaged and so is the previous one, or there is none.
        """
        self._registry = registry
        self._load = load
        self._every = every
        self._retry = retry
        self._keep = keep
        self._kept: tuple[str, Loaded, float] | None = None
        self._looking = threading.Lock()
        self._registry_problem: str | None = None
        self._version_problem: str | None = None
        self._next_try = float("inf")
        self._current = self._first()
        self._next_look = time.monotonic() + every

    @property
    def version(self) -> str:
        """The version that ``loaded`` is of."""
        return self._current[0]

    @property
    def loaded(self) -> Loaded:
        """What ``load`` made of the newest version that could be loaded."""
        return self._current[1]

    @property
    def problem(self) -> str | None:
        """Why ``loaded`` may not be of the version in service; None if it is."""
        return self._registry_problem or self._version_problem

    @property
    def due(self) -> bool:
        """Whether ``poll`` would look at the registry now."""
        return time.monotonic() >= self._next_look

    def poll(self) -> bool:
        """Look whether another version is in service, and load it; True if ``loaded`` has changed.

        Never raises ModelError: see ``problem``. Returns at once where another thread is looking.
        """
        if not self.due or not self._looking.acquire(blocking=False):
            return False
        try:
            if self._kept is not None and time.monotonic() > self._kept[2]:
                self._kept = None
            return self._look()
        finally:
            self._next_look = time.monotonic() + self._every
            self._looking.release()

    async def poll_async(self) -> bool:
        """``poll`` without holding up the event loop."""
        return self.due and await asyncio.to_thread(self.poll)

    def _first(self) -> tuple[str, Loaded]:
        """The version in service, loaded; or the previous one."""
        self._settled, version = self._registry.champion()
        try:
            return version, self._load(self._registry.fetch(version))
        except ModelError as error:
            previous = self._registry.aliases().previous
            if previous is None:
                raise
            try:
                current = previous, self._load(self._registry.fetch(previous))
            except ModelError as other:
                raise ModelError(f"{error}; and the previous model cannot be used either: {other}") from None
            log.error("starting with the previous model %s: %s", previous, error)
            self._failed(error)
            return current

    def _failed(self, error: ModelError) -> None:
        """Note why the version in service is not used, and when it is worth another try."""
        self._version_problem = str(error)
        if isinstance(error, RegistryError):
            self._next_try = time.monotonic() + self._retry

    def _look(self) -> bool:
        try:
            revision, version = self._registry.champion()
        except ModelError as error:
            self._registry_problem = self._noted(str(error))
            return False
        self._registry_problem = None
        if revision == self._settled and time.monotonic() < self._next_try:
            return False
        self._settled, self._next_try = revision, float("inf")
        if version == self.version:
            self._version_problem = None
            return False
        before = self._current
        try:
            self._current = version, self._of(version)
        except ModelError as error:
            self._noted(str(error))
            self._failed(error)
            return False
        self._version_problem = None
        self._kept = (*before, time.monotonic() + self._keep) if self._keep else None
        log.info("model %s in service", version)
        return True

    def _of(self, version: str) -> Loaded:
        """The version, loaded: it may be so already, because it was in service a short while ago."""
        if self._kept is not None and self._kept[0] == version:
            return self._kept[1]
        return self._load(self._registry.fetch(version))

    def _noted(self, problem: str) -> str:
        if problem != self.problem:
            log.error("staying with model %s: %s", self.version, problem)
        return problem
