"""The revisions of the router in service, read and changed by hand."""

from __future__ import annotations

import threading
import time

from mos_online import contracts
from mos_online.contracts import RouterUpdate, encode
from mos_online.errors import ModelError
from mos_online.experiments.treatment import CHAMPION, Treatments
from mos_online.registry import open_registry
from mos_online.settings import Settings
from mos_online.themes import load_router
from mos_online.themes.updates import restored, shortened

AHEAD = 2000
"""A revision begins so many ms of event time after what the learner has come to, so that whoever routes has it."""

PATIENCE = 10.0
"""Seconds for Kafka to take a record."""


class RevisionsInService:
    """The base of the epoch in service, and its revisions.

    Attributes:
        label: of the registry.
        base: the router of the model in service.
        history: its revisions.
        arms: those whose routers learn by themselves.
    """

    def __init__(self, settings: Settings, arm: str = CHAMPION) -> None:
        """Read the router in service, of everybody or of an arm that learns.

        Raises:
            ModelError: no model is in service, or it is damaged; or there is no such arm.
        """
        registry = open_registry(settings)
        arms = Treatments(registry.experiments().read().in_force).routers
        if arm != CHAMPION and arm not in arms:
            raise ModelError(f"no arm {arm} has revisions of its own; there are: {', '.join([CHAMPION, *arms])}")
        self.label = registry.label
        self.arms = list(arms)
        self.base = load_router(registry.fetch(arms.get(arm) or CHAMPION))
        self.history = registry.routers(self.base.epoch, arm)
        self._settings = settings

    def roll_back(self, sequence: int | None) -> tuple[RouterUpdate, bool]:
        """Put an earlier revision's content into service and hold it; and whether Kafka knows.

        Args:
            sequence: of the earlier revision, 0 for the base; None: the one before the newest.

        Raises:
            ModelError: there is no such revision, or none at all.
            StoreError: the revision is kept, but replicas are not told.
        """
        newest = self._newest()
        wanted = newest.sequence - 1 if sequence is None else sequence
        if wanted >= newest.sequence:
            raise ModelError(f"revision {newest.sequence} is in service; give a number below it, or 0 for the base")
        content = self.history.read(wanted) if wanted else None
        return self._put(restored(self.base, newest, content, effective_from=self._event_time() + AHEAD, held=True))

    def resume(self) -> tuple[RouterUpdate, bool]:
        """Let further revisions follow. Raises as ``roll_back``."""
        newest = self._newest()
        if not newest.held:
            raise ModelError(f"revision {newest.sequence} holds nothing back: further ones follow as they are made")
        return self._put(restored(self.base, newest, newest, effective_from=self._event_time() + AHEAD, held=False))

    def _newest(self) -> RouterUpdate:
        newest = self.history.newest()
        if newest is None:
            raise ModelError(f"router {self.base.version} has no revisions yet: `mos learn` makes them")
        return newest

    def _event_time(self) -> int:
        """What the learner of this machine has come to; without one, the wall clock: live data is as old."""
        from learning.status import read_status  # noqa: PLC0415

        status = read_status(self._settings.learning_dir)
        return status.event_time if status is not None and status.event_time >= 0 else int(time.time() * 1000)

    def _put(self, update: RouterUpdate) -> tuple[RouterUpdate, bool]:
        from features.store import OnlineStore  # noqa: PLC0415 - takes seconds

        kept = self.history.add(update)
        if kept != update:
            raise ModelError(f"revision {kept.sequence} went into service just now: look at it, and try again")
        short = shortened(kept, self.history.place(kept.sequence))
        store = OnlineStore.open(self._settings)
        try:
            store.routers.write(short)
        finally:
            store.close()
        return kept, self._published(short)

    def _published(self, update: RouterUpdate) -> bool:
        """Whether Kafka has taken the record within ``PATIENCE`` seconds."""
        from publishing.unwaiting import UnwaitingProducer  # noqa: PLC0415

        taken, deadline = threading.Event(), time.monotonic() + PATIENCE
        topic = self._settings.topic(contracts.ROUTER_UPDATES)
        producer = UnwaitingProducer(self._settings, room=10)
        producer.start()
        try:
            while time.monotonic() < deadline and producer.trouble is None:
                if producer.send(
                    topic, update.arm.encode(), encode(update), lambda error: taken.set() if error is None else None
                ):
                    return taken.wait(max(0.0, deadline - time.monotonic()))
                time.sleep(0.05)
            return False
        finally:
            producer.stop()
