"""Reads a partition of a topic by offset, outside of any consumer group."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings

TIMEOUT = 30.0
"""Seconds to wait for a broker before giving up."""


class LogReader:
    """Reads ranges of a log. Methods block and open a connection each; call them from threads, any number at once."""

    def __init__(self, settings: Settings) -> None:
        """Do not connect yet.

        Raises:
            BrokerError, SettingsError: as ``librdkafka_config``.
        """
        self._config: dict[str, str | int | bool] = {
            **librdkafka_config(settings),
            "group.id": f"{settings.group}-reader",  # librdkafka asks for one; nothing is committed to it
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
        }

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Offset of the first record kept, and the offset that the next record will get.

        Raises:
            BrokerError: Kafka cannot be reached, or there is no such partition.
        """
        consumer = Consumer(self._config)
        try:
            return _bounds(consumer, topic, partition)
        finally:
            consumer.close()

    def last(self, topic: str, partition: int) -> Message | None:
        """The last record of a partition, None if it is empty.

        Raises:
            BrokerError: as ``bounds``.
        """
        low, high = self.bounds(topic, partition)
        found: Message | None = None
        for message in self.read(topic, partition, max(low, high - 1), high):
            found = message
        return found

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Message]:
        """The records with ``start`` <= offset < ``stop``, in order.

        Raises:
            BrokerError: Kafka cannot be reached, or has dropped records from ``start`` on.
        """
        consumer = Consumer(self._config)
        try:
            low, _ = _bounds(consumer, topic, partition)
            if start < low:
                raise truncated(topic, partition, start, low)
            consumer.assign([TopicPartition(topic, partition, start)])
            position, heard_at = start, time.monotonic()
            while position < stop:
                batch = consumer.consume(1000, 0.05)  # waits so long for a full batch, not for a first record
                if batch:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > TIMEOUT:
                    raise BrokerError(f"{topic}[{partition}] sent nothing for {TIMEOUT:.0f} s; is Kafka running?")
                for message in batch:
                    fault = message.error()
                    if fault is not None and fault.code() == KafkaError._PARTITION_EOF:
                        return  # what is left up to ``stop`` are marks of transactions, not records
                    if fault is not None:
                        raise BrokerError(f"cannot read {topic}[{partition}] at {position}: {fault.str()}")
                    position = _offset(message) + 1
                    if position > stop:
                        return
                    yield message
        finally:
            consumer.close()


def truncated(topic: str, partition: int, wanted: int, low: int) -> BrokerError:
    """The error that says records which were not read yet are gone."""
    return BrokerError(
        f"{topic}[{partition}] begins at offset {low}, but {wanted} is needed: Kafka dropped records before they were "
        "used up. Retain the topic for longer than the longest session (MOS_SESSION_MAX_DURATION) and the longest "
        "outage; the embedded broker keeps 5 MiB per partition: send slower or raise MOS_PARTITIONS"
    )


def _bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)
    except KafkaException as error:
        raise BrokerError(
            f"cannot ask Kafka about {topic}[{partition}]: {error.args[0].str()}; is it running, and do the topics "
            "exist (`mos topics create`)? `mos doctor` says more"
        ) from None
    return int(low), int(high)


def _offset(message: Message) -> int:
    offset = message.offset()
    if offset is None:
        raise BrokerError("Kafka sent a record without an offset")
    return int(offset)
