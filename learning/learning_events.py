"""Publishes what operators want to know of learning on the topic ``learning-events``."""

from __future__ import annotations

import threading
from functools import partial
from typing import Protocol

from mos_online import contracts
from mos_online.contracts import LearningEvent
from mos_online.settings import Settings
from publishing.unwaiting import Done

ROOM = 10_000
"""So many events may wait for Kafka."""


class Sender(Protocol):
    """``publishing.unwaiting.UnwaitingProducer``, as far as it is used here."""

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        """Take a record, unless there is no room."""


class LearningEvents:
    """Sends events until Kafka has them, without waiting for it. The oldest go if too many wait."""

    def __init__(self, settings: Settings, producer: Sender) -> None:
        """Publish with ``producer``, which is started elsewhere."""
        self._topic = settings.topic(contracts.LEARNING_EVENTS)
        self._producer = producer
        self._lock = threading.Lock()
        self._on_the_way: set[str] = set()
        self._unsent: dict[str, LearningEvent] = {}

    def unsent(self) -> list[LearningEvent]:
        """Events that Kafka does not have, as far as is known, the oldest first."""
        with self._lock:
            return list(self._unsent.values())

    def add(self, event: LearningEvent) -> None:
        """Take an event; ``send`` publishes it."""
        with self._lock:
            self._unsent[event.event_id] = event
            while len(self._unsent) > ROOM:
                del self._unsent[next(iter(self._unsent))]

    def send(self) -> None:
        """Send what is not sent and not on its way."""
        with self._lock:
            waiting = [event for name, event in self._unsent.items() if name not in self._on_the_way]
        for event in waiting:
            self._on_the_way.add(event.event_id)
            done = partial(self._done, event.event_id)
            if not self._producer.send(self._topic, event.arm.encode(), contracts.encode(event), done):
                self._on_the_way.discard(event.event_id)
                return

    def _done(self, name: str, error: str | None) -> None:
        with self._lock:
            self._on_the_way.discard(name)
            if error is None:
                self._unsent.pop(name, None)
