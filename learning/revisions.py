"""Keeps revisions of the router in the registry, and tells the store and Kafka of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from learning.learning_events import LearningEvents, Sender
from mos_online import contracts
from mos_online.contracts import LearningEvent, RouterUpdate, encode
from mos_online.errors import ModelError
from mos_online.registry import Registry, RegistryFollower
from mos_online.settings import Settings
from mos_online.themes import Router, load_router
from mos_online.themes.updates import shortened

LOOK = 1.0
"""Seconds between two looks at the registry."""

log = logging.getLogger(__name__)


class Revisions:
    """The shelf of the learner's router part (``mos_online.learning.router_shelf``)."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        *,
        write: Callable[[RouterUpdate], None],
        producer: Sender,
        events: LearningEvents,
    ) -> None:
        """Read nothing yet.

        Args:
            settings: the names of topics.
            registry: of the models.
            write: writes the row of an arm to the online store.
            producer: sends to Kafka without waiting.
            events: of learning.
        """
        self._topic = settings.topic(contracts.ROUTER_UPDATES)
        self._registry = registry
        self._write = write
        self._producer = producer
        self._events = events
        self._follower: RegistryFollower[Router] | None = None
        self._problem: str | None = None
        self._next_look = self._next_newest = float("-inf")
        self._newest: tuple[str, RouterUpdate | None] = ("", None)
        self._unsent: RouterUpdate | None = None

    def base(self) -> Router | None:
        """See ``RouterShelf``; costs nothing between two looks at the registry."""
        if self._follower is not None:
            self._follower.poll()
            return self._follower.loaded
        if time.monotonic() < self._next_look:
            return None
        self._next_look = time.monotonic() + LOOK
        try:
            self._follower = RegistryFollower(self._registry, load_router, every=LOOK)
        except ModelError as error:
            if str(error) != self._problem:
                log.warning("the router is not revised: %s", error)
            self._problem = str(error)
            return None
        return self._follower.loaded

    def newest(self, epoch: str) -> RouterUpdate | None:
        """See ``RouterShelf``; costs nothing between two looks at the registry."""
        known, update = self._newest
        if known == epoch and time.monotonic() < self._next_newest:
            return update
        history = self._registry.routers(epoch)
        revisions = history.revisions()
        if known != epoch or (update.sequence if update else 0) != (revisions[-1].sequence if revisions else 0):
            update = history.read(revisions[-1].sequence) if revisions else None
        self._newest = epoch, update
        self._next_newest = time.monotonic() + LOOK
        return update

    def keep(self, update: RouterUpdate) -> RouterUpdate:
        """See ``RouterShelf``."""
        kept = self._registry.routers(update.epoch).add(update)
        self._newest = kept.epoch, kept
        return kept

    def announce(self, update: RouterUpdate) -> None:
        """See ``RouterShelf``. The store is what replicas wait for, so it comes first."""
        short = shortened(update, self._registry.routers(update.epoch).place(update.sequence))
        self._write(short)
        self._unsent = short
        self.tend()

    def tell(self, event: LearningEvent) -> None:
        """See ``RouterShelf``."""
        self._events.add(event)
        self._events.send()

    def tend(self) -> None:
        """See ``RouterShelf``."""
        update = self._unsent
        if update is None:
            return

        def done(error: str | None) -> None:
            if error is not None and self._unsent is None:  # a later one may have taken its place
                self._unsent = update

        self._unsent = None
        if not self._producer.send(self._topic, update.arm.encode(), encode(update), done):
            self._unsent = update
