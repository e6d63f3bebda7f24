"""Sending to the ``clicks`` topic."""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from mos_online import contracts
from mos_online.errors import BrokerError
from mos_online.kafka_config import producer_config
from mos_online.settings import Settings

TIMEOUT = 10.0
QUIET = {"log_level": 2}
"""librdkafka's own log below "critical" is left out: what matters comes back as an error."""


class ClicksTopic:
    """Sends messages to the ``clicks`` topic.

    Raises:
        BrokerError: Kafka cannot be reached, or the topic does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self.name = settings.topic(contracts.CLICKS)
        self._failure: KafkaError | None = None
        self._calls = 0
        self._producer = Producer(
            {
                **producer_config(settings),
                **QUIET,
                "message.timeout.ms": 60_000,
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
            }
        )
        self.partitions = partitions_of(self._producer, self.name, settings)

    def __enter__(self) -> ClicksTopic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.flush(5.0)  # if it was interrupted, what is on its way may still arrive

    def send(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Queue a message; waits while the queue is full.

        Raises:
            BrokerError: an earlier message could not be delivered, or this one is refused.
        """
        while True:
            try:
                self._producer.produce(self.name, value, key, partition)
                break
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise BrokerError(f"{self.name}[{partition}] refuses a message: {error.args[0].str()}") from None
        self._calls += 1
        if self._calls % 1000 == 0:
            self.check()

    def check(self) -> None:
        """Raise BrokerError if a message could not be delivered."""
        self._producer.poll(0)
        if self._failure is not None:
            raise BrokerError(f"a click could not be delivered to {self.name}: {self._failure.str()}")

    def flush(self) -> None:
        """Wait until everything is delivered.

        Raises:
            BrokerError: something could not be.
        """
        while self._producer.flush(1.0):
            self.check()
        self.check()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = error


def partitions_of(client: Producer | Consumer, topic: str, settings: Settings) -> int:
    """How many partitions the topic has; asks for all topics, as asking for one may create it.

    Raises:
        BrokerError: Kafka does not answer, or the topic does not exist.
    """
    try:
        found = client.list_topics(timeout=TIMEOUT).topics.get(topic)
    except KafkaException as error:
        where = "the embedded broker, started with `mos kafka`," if settings.kafka == "embedded" else settings.kafka
        raise BrokerError(f"{where} does not answer: {error.args[0].str()}; `mos doctor` says more") from None
    if found is None or found.error is not None or not found.partitions:
        raise BrokerError(f"topic {topic} does not exist; create it with `mos topics create`")
    return len(found.partitions)
