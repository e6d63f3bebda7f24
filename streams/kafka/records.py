"""A record of a topic, whichever client read it."""

from __future__ import annotations

import msgspec
from confluent_kafka import Message


class Record(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Key, value and headers are raw; ``arrived_at`` is the record's Kafka timestamp (ms)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    arrived_at: int
    headers: dict[str, bytes]


def of_confluent(message: Message) -> Record:
    """From a message of confluent-kafka that is no error."""
    return Record(
        topic=str(message.topic()),
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        arrived_at=int(message.timestamp()[1]),
        headers={name: value for name, value in message.headers() or () if isinstance(value, bytes)},
    )


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data
