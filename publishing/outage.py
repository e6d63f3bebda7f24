"""Waiting for a Kafka that goes away while its topics are read."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException

from mos_online.errors import BrokerUnavailableError
from mos_online.kafka_config import require_same_broker
from mos_online.settings import Settings
from publishing.faults import broker_error, passes

LOOK_EVERY = 1.0
"""Seconds between looks whether Kafka is back."""


class Outage:
    """Says once that Kafka is away, and once that it is back.

    Attributes:
        say: is given the lines.
        looks: changes while Kafka is away, and when it comes back.
    """

    def __init__(self, settings: Settings, bootstrap: str | int, say: Callable[[str], None]) -> None:
        """Of a consumer whose ``error_cb`` is ``note``.

        Args:
            settings: where Kafka is.
            bootstrap: the address that the consumer was given.
            say: is given the lines.
        """
        self.say = say
        self.looks = 0
        self._settings = settings
        self._bootstrap = bootstrap
        self._last: KafkaError | None = None
        self._said = False
        self._looked_at = 0.0

    def note(self, error: KafkaError) -> None:
        """Kafka has a fault; it may last for a moment only."""
        self._last = error

    def over(self) -> None:
        """Kafka answers."""
        if self._said:
            self.looks += 1
            self.say("Kafka is back")
        self._last, self._said = None, False

    def look(self, consumer: Consumer, topic: str) -> None:
        """While there is a fault: look whether it is over, and say it if it is not.

        Raises:
            BrokerError: no waiting mends it.
        """
        if self._last is None:
            return
        if not passes(self._last):
            raise broker_error(self._last, f"cannot read {topic}")
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return
        with suppress(KafkaException):
            found = consumer.list_topics(topic, timeout=LOOK_EVERY).topics[topic]
            if found.error is None and found.partitions:
                self.over()
                return
        if not self._said:
            self.say(f"waiting for Kafka: {self._last.str()}")
            self._said = True
        self._looked_at = time.monotonic()
        self.looks += 1
        with suppress(BrokerUnavailableError):
            require_same_broker(self._settings, self._bootstrap)
