"""Keeps revisions of the router in the registry, and tells the store and Kafka of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

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

FORGET = 60.0
"""Seconds after which the revision of an arm is forgotten for which nobody asks any more."""

RETRY = 10.0
"""Seconds until the router of an arm's model that could not be read is tried again."""

log = logging.getLogger(__name__)


class _Newest(NamedTuple):
    """The newest revision of an epoch and an arm, and until when it need not be looked for (monotonic seconds)."""

    update: RouterUpdate | None
    until: float


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
        self._next_look = float("-inf")
        self._of_models: dict[str, Router] = {}
        self._next_try: dict[str, float] = {}
        self._newest: dict[tuple[str, str], _Newest] = {}
        self._unsent: dict[str, RouterUpdate] = {}

    def base(self, model: str | None) -> Router | None:
        """See ``RouterShelf``; costs nothing between two looks at the registry."""
        if model is not None:
            return self._of_model(model)
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

    def newest(self, epoch: str, arm: str) -> RouterUpdate | None:
        """See ``RouterShelf``; costs nothing between two looks at the registry."""
        known = self._newest.get((epoch, arm))
        if known is not None and time.monotonic() < known.until:
            return known.update
        history = self._registry.routers(epoch, arm)
        revisions = history.revisions()
        sequence = revisions[-1].sequence if revisions else 0
        if known is not None and (known.update.sequence if known.update else 0) == sequence:
            update = known.update
        else:
            update = history.read(sequence) if revisions else None
        now = time.monotonic()
        self._newest = {key: one for key, one in self._newest.items() if one.until > now - FORGET}
        self._newest[epoch, arm] = _Newest(update, now + LOOK)
        return update

    def keep(self, update: RouterUpdate) -> RouterUpdate:
        """See ``RouterShelf``."""
        kept = self._registry.routers(update.epoch, update.arm).add(update)
        self._newest[kept.epoch, kept.arm] = _Newest(kept, time.monotonic() + LOOK)
        return kept

    def announce(self, update: RouterUpdate) -> None:
        """See ``RouterShelf``. The store is what replicas wait for, so it comes first."""
        short = shortened(update, self._registry.routers(update.epoch, update.arm).place(update.sequence))
        self._write(short)
        self._unsent[update.arm] = short
        self.tend()

    def tell(self, event: LearningEvent) -> None:
        """See ``RouterShelf``."""
        self._events.add(event)
        self._events.send()

    def tend(self) -> None:
        """See ``RouterShelf``."""
        for update in list(self._unsent.values()):
            del self._unsent[update.arm]
            if not self._producer.send(self._topic, update.arm.encode(), encode(update), partial(self._done, update)):
                self._unsent[update.arm] = update

    def _done(self, update: RouterUpdate, error: str | None) -> None:
        if error is not None:  # a later one may have taken its place
            self._unsent.setdefault(update.arm, update)

    def _of_model(self, model: str) -> Router | None:
        """The router of a version, which is read once."""
        known = self._of_models.get(model)
        if known is not None or time.monotonic() < self._next_try.get(model, 0.0):
            return known
        try:
            self._of_models[model] = load_router(self._registry.fetch(model))
        except ModelError as error:
            log.warning("the router of an arm is not revised: %s", error)
            self._next_try[model] = time.monotonic() + RETRY
        return self._of_models.get(model)
