"""Sending to the ``clicks`` topic."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from mos_online import contracts
from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.kafka_config import producer_config, require_same_broker
from mos_online.settings import Settings

TIMEOUT = 10.0
QUIET = {"log_level": 2}
"""librdkafka's own log below "critical" is left out: what matters comes back as an error."""

AWAY = {
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - librdkafka's own errors have such names
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
}
"""What librdkafka says while Kafka does not answer."""

REFUSED = {KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED}  # noqa: SLF001
"""What librdkafka says when Kafka does not let us in."""

LOOK_EVERY = 1.0
"""Seconds between looks whether Kafka is still away."""


class ClicksTopic:
    """Sends messages to the ``clicks`` topic. A Kafka that goes away is waited for, however long that takes.

    Args:
        settings: where Kafka is.
        say: is given a line when Kafka goes away, and when it is back.

    Raises:
        BrokerError: Kafka cannot be reached, or the topic does not exist.
    """

    def __init__(self, settings: Settings, *, say: Callable[[str], None] = lambda _: None) -> None:
        self.name = settings.topic(contracts.CLICKS)
        self._settings = settings
        self._say = say
        self._failure: KafkaError | None = None
        self._away: KafkaError | None = None
        self._said = False
        self._looked_at = 0.0
        self._calls = 0
        config = producer_config(settings)
        self._bootstrap = config["bootstrap.servers"]
        self._producer = Producer(
            {
                **config,
                **QUIET,
                "message.timeout.ms": 0,  # wait for ever
                "error_cb": self._note,
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
                self.check()
            except KafkaException as error:
                raise BrokerError(f"{self.name}[{partition}] refuses a message: {error.args[0].str()}") from None
        self._calls += 1
        if self._calls % 1000 == 0:
            self.check()

    def check(self) -> None:
        """Say whether Kafka is away or back.

        Raises:
            BrokerError: a message could not be delivered, or none can be any more.
        """
        self._producer.poll(0)
        if self._failure is not None:
            raise BrokerError(f"a click could not be delivered to {self.name}: {self._failure.str()}")
        if self._away is not None and time.monotonic() - self._looked_at > LOOK_EVERY:
            self._look(self._away)

    def flush(self) -> None:
        """Wait until everything is delivered.

        Raises:
            BrokerError: something could not be.
        """
        while self._producer.flush(1.0):
            self.check()
        self.check()
        self._is_back()

    def _is_back(self) -> None:
        if self._said:
            self._say("Kafka is back")
        self._away, self._said = None, False

    def _look(self, error: KafkaError) -> None:
        with suppress(KafkaException):
            self._producer.list_topics(timeout=LOOK_EVERY)
            self._is_back()
            return
        if not self._said:
            self._say(f"waiting for Kafka: {error.str()}")
            self._said = True
        self._looked_at = time.monotonic()
        with suppress(BrokerUnavailableError):
            require_same_broker(self._settings, self._bootstrap)

    def _note(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in REFUSED:
            self._failure = self._failure or error
        elif error.code() in AWAY:
            self._away = error

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
