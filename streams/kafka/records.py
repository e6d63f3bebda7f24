"""A record of a topic, whichever client read it."""

from __future__ import annotations

import msgspec
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from publishing.producer import Headers


class Record(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A record; key, value and headers are raw.

    A record with a header whose name is not UTF-8 counts as one without headers, because not every client can read
    the other ones.

    Attributes:
        timestamp: its Kafka timestamp (ms). Only where ``by_broker`` says so, it is the time of arrival. Else its
            producer has written it, and it can be anything.
        by_broker: whether the broker has written ``timestamp`` (LogAppendTime), not the producer (CreateTime).
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers = ()
    by_broker: bool = False

    def arrived_at(self, now: int) -> int:
        """When it arrived (ms): by the broker's clock or, where the broker does not say, ``now``."""
        return self.timestamp if self.by_broker else now


def of_confluent(message: Message) -> Record:
    """From a message of confluent-kafka that is no error."""
    kind, timestamp = message.timestamp()
    return Record(
        topic=str(message.topic()),
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        timestamp=int(timestamp),
        headers=_headers(message),
        by_broker=kind == TIMESTAMP_LOG_APPEND_TIME,
    )


def _headers(message: Message) -> Headers:
    try:
        return tuple((name, _bytes(value)) for name, value in message.headers() or ())
    except (UnicodeDecodeError, SystemError):  # confluent-kafka raises the one or the other for such a name
        return ()


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data
