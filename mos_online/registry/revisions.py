"""Follows the revisions of an epoch in the registry, for whoever routes sessions by event time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Protocol

from mos_online.errors import ModelError, RegistryError
from mos_online.registry.routers import RouterHistory
from mos_online.themes.router import Router
from mos_online.themes.timeline import InForce, RouterTimeline
from mos_online.themes.updates import revision_of

log = logging.getLogger(__name__)


class RouterRegistry(Protocol):
    """The part of ``Registry`` that has revisions."""

    def routers(self, epoch: str) -> RouterHistory:
        """The revisions of the router that began an epoch."""


def routers_of(registry: RouterRegistry, base: Router) -> RouterTimeline:
    """The routers of an epoch by event time, as they are now; one that is needed is read then.

    Raises:
        RegistryError: the registry cannot be read.
    """
    history = registry.routers(base.epoch)
    return RouterTimeline(base, history.revisions(), lambda one: revision_of(base, history.read(one.sequence)))


class RevisionFollower:
    """The routers of an epoch by event time; any threads may call it.

    A revision that is damaged counts as one that is not there.

    Attributes:
        routers: what is known of them.
        problem: why they may not be all; None if they are.
    """

    def __init__(self, registry: RouterRegistry, base: Router) -> None:
        """Know the base only; ``poll`` looks for revisions."""
        self.routers = RouterTimeline(base, [], self._read)
        self.problem: str | None = None
        self._history = registry.routers(base.epoch)
        self._found: list[InForce] = []
        self._damaged: dict[InForce, str] = {}
        self._turn = threading.Lock()

    def poll(self) -> None:
        """Look for new revisions, and load the newest, which will be needed soon. Raises nothing: see ``problem``."""
        try:
            found = self._history.revisions()
            with self._turn:
                if found != self._found:
                    self._found = found
                    self._use()
            self.have([self.routers.newest_from])
        except RegistryError as error:
            self.problem = str(error)
            return
        self.problem = next((self._damaged[one] for one in found if one in self._damaged), None)

    def have(self, event_times: Iterable[int]) -> None:
        """Load the routers for these event times (ms), so that ``routers.at`` finds them at hand.

        Raises:
            RegistryError: the registry cannot be read now.
        """
        with self._turn:
            while missing := self.routers.missing(event_times):
                try:
                    self.routers.load(missing[0])
                except RegistryError:
                    raise
                except ModelError as error:
                    log.error("a revision of the router is left out: %s", error)
                    self._damaged[missing[0]] = str(error)
                    self._use()

    def _use(self) -> None:
        self.routers = self.routers.updated([one for one in self._found if one not in self._damaged])

    def _read(self, revision: InForce) -> Router:
        return revision_of(self.routers.base, self._history.read(revision.sequence))
