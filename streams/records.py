"""From the record types of Faust and confluent-kafka to ours."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message

from streams.dead_letters import Record


def of_faust(message: Any) -> Record:
    """A ``faust.types.Message`` whose key and value are raw bytes."""
    headers = message.headers or ()
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        arrived_at=round(message.timestamp * 1000),
        headers=dict(headers.items() if hasattr(headers, "items") else headers),
    )


def of_confluent(message: Message) -> Record:
    """A message that is no error."""
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
