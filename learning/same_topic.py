"""Is it the topic that it was? A topic that was made again may have grown beyond the place where reading goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from mos_online.errors import BrokerUnavailableError
from publishing.faults import broker_error

TIMEOUT = 10.0
"""Seconds to wait for the records."""


def others(config: Mapping[str, Any], known: Mapping[tuple[str, int], tuple[int, bytes]]) -> set[tuple[str, int]]:
    """The partitions that have another record, or none, where they once had a known one.

    Args:
        config: of a consumer, with ``enable.partition.eof``.
        known: topic and partition -> the offset and the value of a record. There must be records from that offset on.

    Raises:
        BrokerUnavailableError: Kafka is away.
        BrokerError: no waiting mends what is wrong.
    """
    if not known:
        return set()
    found: dict[tuple[str, int], Message | None] = {}
    until = time.monotonic() + TIMEOUT
    with closing(Consumer(config)) as consumer:
        consumer.assign([TopicPartition(*place, offset) for place, (offset, _) in known.items()])
        while found.keys() != known.keys():
            message = consumer.poll(max(until - time.monotonic(), 0.0))
            if message is None:
                raise BrokerUnavailableError(f"Kafka sent nothing for {TIMEOUT:.0f} s; is it running?")
            place = str(message.topic()), int(message.partition() or 0)
            error = message.error()
            if error is None:
                found.setdefault(place, message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                found.setdefault(place, None)
            elif not error.retriable():
                raise broker_error(error, f"cannot read {place[0]}[{place[1]}]")
    return {place for place, message in found.items() if not _is(message, *known[place])}


def _is(message: Message | None, offset: int, value: bytes) -> bool:
    return message is not None and message.offset() == offset and message.value() == value
