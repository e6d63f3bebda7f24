"""Publishes and waits: the producer of the worker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from prometheus_client import Histogram

from mos_online.contracts import MAX_MESSAGE_BYTES
from mos_online.errors import BrokerError, BrokerUnavailableError, ContractError
from mos_online.kafka_config import producer_config
from mos_online.settings import Settings
from publishing.faults import broker_error

Headers = tuple[tuple[str, bytes | None], ...]
"""Names and values of the headers of a record, in order; a name may be repeated."""

HIGH_WATER = 20_000
"""With more records than this on their way, ``relieve`` waits for all of them."""

TIMEOUT = 10.0
"""Seconds to wait for an answer of a broker before giving up."""


class _Round:
    """The records published between two calls of ``flush``."""

    __slots__ = ("_lock", "failure", "pending")

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self.pending = 0
        self.failure: str | None = None

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Delivery report of librdkafka."""
        with self._lock:
            self.pending -= 1
            if error is not None:
                self.failure = f"Kafka did not accept a record for {message.topic()}: {error.str()}"
                if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    self.failure += f"; the topic must take {MAX_MESSAGE_BYTES} bytes: raise its max.message.bytes"


class Delay:
    """Measures into a histogram how long something took from its cause until its record was on the topic."""

    __slots__ = ("_histogram", "_until_published")

    def __init__(self, histogram: Histogram, *, since: int) -> None:
        """The record is published now; ``since`` (ms since 1970) is when its cause came."""
        self._histogram = histogram
        self._until_published = time.time() - since / 1000

    def delivered(self, latency: float) -> None:
        """The broker has confirmed it ``latency`` seconds after it was published."""
        self._histogram.observe(max(0.0, self._until_published + latency))


class _Timed:
    """A delivery report that also measures the delay."""

    __slots__ = ("_batch", "_delay")

    def __init__(self, batch: _Round, delay: Delay) -> None:
        self._batch = batch
        self._delay = delay

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self._batch.delivered(error, message)
        latency = message.latency()
        if error is None and latency is not None:
            self._delay.delivered(latency)


class RecordProducer:
    """Publishes in the background; ``flush`` tells when what was published before it has been delivered.

    librdkafka's own flush waits for whatever comes later as well: under steady load it never returns.

    A record waits for a broker that is away for as long as it takes. One that Kafka refuses can only be made again
    from the input, so from then on every ``flush`` fails and the worker must start anew from its last checkpoint.
    """

    def __init__(self, settings: Settings, *, largest: Mapping[str, int] | None = None) -> None:
        """Connect in the background.

        Args:
            settings: where Kafka is.
            largest: bytes of the largest key and value together, by topic; ``MAX_MESSAGE_BYTES`` for the others.

        Raises:
            BrokerError, SettingsError: as ``producer_config``.
        """
        self._producer = Producer(
            {
                **producer_config(settings),
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "batch.size": min([MAX_MESSAGE_BYTES, *(largest or {}).values()]),  # Kafka limits whole batches
                "message.timeout.ms": 0,  # wait for ever
                "queue.buffering.max.messages": 10 * HIGH_WATER,
                "log_level": 2,
            }
        )
        self._partitions: dict[str, int] = {}
        self._abandoned = threading.Event()
        self._largest = dict(largest or {})
        self._failure: str | None = None
        self._lock = threading.Lock()
        self._round = _Round(self._lock)
        self._closed: list[_Round] = []

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        delay: Delay | None = None,
    ) -> None:
        """Send soon. Thread-safe; waits only while ten times ``HIGH_WATER`` records are on their way.

        Args:
            topic: its name on the cluster.
            key: what the partition is chosen by.
            value: the record; None: compaction may remove those with this key.
            partition: instead of the one chosen by the key.
            headers: of the record.
            delay: told when the record is on its topic.

        Raises:
            ContractError: the record is larger than the topic takes ("too_large").
            BrokerError: the client refuses for another reason.
        """
        size = len(value or b"") + len(key or b"")
        if size > self.room(topic):
            raise ContractError("too_large", f"a record of {size} bytes for {topic}, which takes less")
        with self._lock:
            batch = self._round
            batch.pending += 1
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition=-1 if partition is None else partition,
                    on_delivery=batch.delivered if delay is None else _Timed(batch, delay),
                    headers=list(headers) or None,
                )
            except BufferError:
                self._producer.poll(0.01)
            except BaseException as error:
                with self._lock:
                    batch.pending -= 1
                if not isinstance(error, KafkaException):
                    raise
                fault = error.args[0]
                raise BrokerError(f"cannot publish to {topic}: {fault.str()}") from None
            else:
                return

    def room(self, topic: str) -> int:
        """Bytes of the largest key and value together that a topic takes."""
        return self._largest.get(topic, MAX_MESSAGE_BYTES)

    def knows(self, topic: str, partition: int) -> bool:
        """Whether ``learn`` has seen this partition."""
        return partition < self._partitions.get(topic, 0)

    def learn(self, topic: str, partition: int) -> None:
        """Ask Kafka for the partitions of a topic, which may have been given more; without it none can be published to.

        Blocks.

        Raises:
            BrokerUnavailableError: Kafka does not answer, or there is no such partition yet.
        """
        try:
            found = self._producer.list_topics(topic, timeout=TIMEOUT).topics[topic]
        except KafkaException as error:
            raise broker_error(error, f"cannot ask Kafka about {topic}") from None
        self._partitions[topic] = count = len(found.partitions or ())
        if count <= partition:
            raise BrokerUnavailableError(
                f"{topic} has {count} partitions, but partition {partition} is needed: run `mos topics create` with "
                f"MOS_PARTITIONS={partition + 1} or more, which grows it"
            )

    async def flush(self) -> None:
        """Wait, off the event loop, until everything published before this call has been delivered.

        Raises:
            BrokerError: a record was not.
        """
        with self._lock:
            self._closed.append(self._round)
            self._round = _Round(self._lock)
        rounds = tuple(self._closed)
        if any(batch.pending for batch in rounds):
            await asyncio.to_thread(self._wait, rounds)
        failures = [batch.failure for batch in rounds if batch.failure is not None]
        self._failure = self._failure or next(iter(failures), None)
        self._closed = [batch for batch in self._closed if batch.pending]
        if self._failure is not None:
            raise BrokerError(
                f"{self._failure}. Nothing is lost: start the worker again, it goes on from its checkpoint"
            )

    async def relieve(self) -> None:
        """Let delivery reports in; ``flush`` if more than ``HIGH_WATER`` records are on their way.

        Raises:
            BrokerError: as ``flush``.
        """
        self._producer.poll(0)
        if len(self._producer) > HIGH_WATER:
            await self.flush()

    def abandon(self) -> None:
        """Wait for no delivery any more, also where ``flush`` waits already; it fails from now on."""
        self._abandoned.set()

    def _wait(self, rounds: tuple[_Round, ...]) -> None:
        while any(batch.pending for batch in rounds):
            if self._abandoned.is_set():
                self._failure = self._failure or "the worker ended before Kafka had taken all records"
                return
            self._producer.poll(0.02)
