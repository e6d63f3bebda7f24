"""Follows all partitions of a topic, outside of any consumer group."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.kafka_config import librdkafka_config, require_same_broker
from mos_online.settings import Settings
from publishing.faults import broker_error, passes
from streams.kafka.records import Record, of_confluent

TIMEOUT = 15.0
"""Seconds for Kafka to describe a topic at the start."""

LOOK_EVERY = 1.0
"""Seconds between looks whether Kafka is back."""


def follow(
    settings: Settings, topic: str, *, from_beginning: bool, say: Callable[[str], None]
) -> Generator[Record, None, None]:
    """Records as they come, without end. A Kafka that goes away is waited for.

    Args:
        settings: where Kafka is.
        topic: its name on the cluster.
        from_beginning: begin with the first record kept instead of the next new one.
        say: is given a line when Kafka goes away, and when it is back.

    Raises:
        BrokerError: Kafka cannot be reached at the start, refuses, or was the embedded broker and was started anew;
            or there is no such topic.
    """
    config = librdkafka_config(settings)
    outage = _Outage(settings, config["bootstrap.servers"], say)
    consumer = Consumer(
        {
            **config,
            "group.id": settings.group("tail"),
            "enable.auto.commit": False,
            "log_level": 2,
            "error_cb": outage.note,
        }
    )
    try:
        found = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
        if found.error is not None or not found.partitions:
            raise BrokerError(f"topic {topic} does not exist; create it with `mos topics create`")
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, number, start) for number in found.partitions])
        while True:
            for message in consumer.consume(200, 0.2):
                fault = message.error()
                if fault is not None:
                    outage.note(fault)
                else:
                    outage.over()
                    yield of_confluent(message)
            outage.look(consumer, topic)
    except KafkaException as error:
        raise broker_error(error, "cannot reach Kafka") from None
    finally:
        consumer.close()


class _Outage:
    """Says once that Kafka is away, and once that it is back."""

    def __init__(self, settings: Settings, bootstrap: str | int, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._bootstrap = bootstrap
        self._say = say
        self._last: KafkaError | None = None
        self._said = False
        self._looked_at = 0.0

    def note(self, error: KafkaError) -> None:
        """Kafka has a fault; it may last for a moment only."""
        self._last = error

    def over(self) -> None:
        """Kafka answers."""
        if self._said:
            self._say("Kafka is back")
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
            self._say(f"waiting for Kafka: {self._last.str()}")
            self._said = True
        self._looked_at = time.monotonic()
        with suppress(BrokerUnavailableError):
            require_same_broker(self._settings, self._bootstrap)
