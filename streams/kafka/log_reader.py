"""Reads a partition of a topic by offset, outside of any consumer group."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing, suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from publishing.faults import LastFault, broker_error

TIMEOUT = 10.0
"""Seconds to wait for an answer of a broker before giving up."""

RETAIN = (
    "Retain the topic for longer than the longest session (MOS_SESSION_MAX_DURATION) and the longest outage; the "
    "embedded broker keeps 5 MiB or 100,000 records per partition: send slower or raise MOS_PARTITIONS. "
    "`mos worker --accept-loss` goes on without them"
)
"""What to do when records are gone that are needed."""


class LogReader:
    """Reads ranges of a log. Methods block; call them from threads, any number at once.

    They raise ``BrokerUnavailableError`` where the same may work later: Kafka does not answer, or knows nothing of
    the topic or of the partition yet.
    """

    def __init__(self, settings: Settings) -> None:
        """Connect in the background.

        Raises:
            BrokerError, SettingsError: as ``librdkafka_config``.
        """
        self._settings = settings
        self._config: dict[str, str | int | bool] = {
            **librdkafka_config(settings),
            "group.id": settings.group("reader"),  # librdkafka asks for one; nothing is committed to it
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
            "log_level": 2,
        }
        self._fault = LastFault()
        self._bounds = Consumer({**self._config, "error_cb": self._fault})  # only asks for offsets, often

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Offset of the first record kept, and the offset that the next record will get.

        Raises:
            BrokerError: Kafka cannot be reached, or there is no such partition.
        """
        asking = f"cannot ask Kafka about {topic}[{partition}]"
        try:
            found = self._bounds.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)
        except KafkaException as error:
            self._learn(topic)
            advice = "is it running, and do the topics exist (`mos topics create`)? `mos doctor` says more"
            raise broker_error(error, asking, advice, client=self._bounds.poll, last=self._fault) from None
        if found is None:
            raise BrokerUnavailableError(f"{asking}: no answer within {TIMEOUT:.0f} s")
        low, high = found
        return int(low), int(high)

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; 0 if there is no such topic.

        Raises:
            BrokerError: Kafka cannot be reached.
        """
        try:
            found = self._bounds.list_topics(topic, timeout=TIMEOUT).topics.get(topic)
        except KafkaException as error:
            doing = f"cannot ask Kafka for the partitions of {topic}"
            raise broker_error(error, doing, client=self._bounds.poll, last=self._fault) from None
        return len(found.partitions or ()) if found is not None else 0

    def _learn(self, topic: str) -> None:
        """Have the partitions of a topic asked for anew: librdkafka goes by what it has once heard, for minutes."""
        with suppress(KafkaException):  # the next call says why
            self._bounds.list_topics(topic, timeout=TIMEOUT)

    def committed(self, name: str, topic: str, partition: int) -> int:
        """The offset from which our consumer group ``name`` goes on; 0 if it has committed none.

        Raises:
            BrokerError: Kafka cannot be reached.
        """
        consumer = Consumer({**self._config, "group.id": self._settings.group(name)})
        try:
            found = consumer.committed([TopicPartition(topic, partition)], timeout=TIMEOUT)[0]
        except KafkaException as error:
            raise broker_error(error, f"cannot ask Kafka what {name} has committed") from None
        finally:
            consumer.close()
        if found.error is not None:
            raise broker_error(found.error, f"cannot ask Kafka what {name} has committed")
        return max(0, int(found.offset))

    def backwards(self, topic: str, partition: int) -> Generator[Message, None, None]:
        """The records of a partition, the last one first.

        Raises:
            BrokerError: as ``bounds``.
        """
        low, high = self.bounds(topic, partition)
        back = 32
        while low < high:
            start = max(low, high - back)
            yield from reversed(list(self.read(topic, partition, start, high)))
            high, back = start, 2 * back

    def read(self, topic: str, partition: int, start: int, stop: int) -> Generator[Message, None, None]:
        """The records with ``start`` <= offset < ``stop``, in order.

        Raises:
            BrokerError: Kafka cannot be reached, or has dropped records from ``start`` on.
        """
        if start >= stop:
            return
        low, _ = self.bounds(topic, partition)
        if start < low:
            raise truncated(topic, partition, start, low)
        consumer = Consumer(self._config)
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            position, heard_at = start, time.monotonic()
            while position < stop:
                batch = consumer.consume(1000, 0.05)  # waits so long for a full batch, not for a first record
                if batch:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > TIMEOUT:
                    raise BrokerUnavailableError(
                        f"{topic}[{partition}] sent nothing for {TIMEOUT:.0f} s; is Kafka running?"
                    )
                for message in batch:
                    fault = message.error()
                    if fault is not None and fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                        return  # what is left up to ``stop`` are marks of transactions, not records
                    if fault is not None:
                        raise broker_error(fault, f"cannot read {topic}[{partition}] at {position}")
                    position = _offset(message) + 1
                    if position > stop:
                        return
                    yield message
        finally:
            consumer.close()

    def has_records(self, topic: str, partition: int, start: int, stop: int) -> bool:
        """Whether there is a record with ``start`` <= offset < ``stop``, and not only marks of transactions.

        Raises:
            BrokerError: as ``read``.
        """
        with closing(self.read(topic, partition, start, stop)) as records:
            return next(records, None) is not None

    def close(self) -> None:
        """Close the connection; nothing may be asked any more."""
        self._bounds.close()


def truncated(topic: str, partition: int, wanted: int, low: int) -> BrokerError:
    """The error that says records which were not read yet are gone."""
    return BrokerError(
        f"{topic}[{partition}] begins at offset {low}, but {wanted} is needed: retention dropped {low - wanted} "
        f"records before they were used up. {RETAIN}"
    )


def shrunk(topic: str, partition: int, wanted: int, found: int) -> BrokerError:
    """The error that says a log ended before records that were read from it: these are others than before."""
    return BrokerError(
        f"{topic}[{partition}] was read up to offset {wanted}, but goes on with {found}: it is not the topic that "
        "it was, or a broker has lost its newest records. `mos worker --accept-loss` reads what there is from the start"
    )


def _offset(message: Message) -> int:
    offset = message.offset()
    if offset is None:
        raise BrokerError("Kafka sent a record without an offset")
    return int(offset)
