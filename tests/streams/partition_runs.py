"""A partition of the sessionizer over topics in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from mos_online import contracts
from mos_online.contracts import AcceptedClicks, Click, DeadLetter, Heartbeat, Session
from mos_online.errors import ContractError
from mos_online.settings import Settings
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.log_reader import truncated
from streams.kafka.records import Record
from streams.processors.checkpoint_topic import Claim, Part
from streams.processors.lease import Lease
from streams.processors.sessionizer.partition import SessionizerPartition

NOW = 1_700_000_000_000
FAILED_AT = NOW + 86_400_000


class Topics:
    """RecordProducer and log reader in one: a partition of each topic as a list of values."""

    def __init__(self) -> None:
        self.published: dict[str, list[tuple[bytes, dict[str, bytes]]]] = {}
        self.keys: list[bytes] = []
        self.log: list[bytes] = []
        self.low = 0
        self.too_large = 10**9
        self.acknowledged: int | None = None  # everything
        self.by_broker = True

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Any = None,
        delay: Any = None,
    ) -> None:
        assert (delay is not None) == (topic == contracts.SESSIONS)
        assert partition == (None if topic == contracts.DEAD_LETTERS else 3)
        if len(value or b"") > self.too_large and topic != contracts.DEAD_LETTERS:
            raise ContractError("too_large", "of a test")
        self.published.setdefault(topic, []).append((value or b"", dict(headers or {})))
        if topic == contracts.SESSIONIZER_CHECKPOINTS:
            self.keys.append(key or b"")

    def room(self, topic: str) -> int:
        return self.too_large

    def parts(self) -> list[Part]:
        """What lies in the topic of checkpoints, without the claims."""
        decoder = msgspec.msgpack.Decoder(Claim | Part)
        found = [decoder.decode(value) for value, _ in self.published[contracts.SESSIONIZER_CHECKPOINTS] if value]
        return [one for one in found if isinstance(one, Part)]

    def backwards(self, topic: str, partition: int) -> Iterator[Any]:
        stored = self.published.get(topic, [])
        return reversed([Message(topic, offset, value) for offset, (value, _) in enumerate(stored)])

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self.low, len(self.log)

    def committed(self, name: str, topic: str, partition: int) -> int:
        return len(self.log) if self.acknowledged is None else self.acknowledged

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Any]:
        if start < self.low:
            raise truncated(topic, partition, start, self.low)
        for offset in range(start, stop):
            yield Message(topic, offset, self.log[offset])

    def sessions(self) -> list[Session]:
        return [msgspec.json.decode(value, type=Session) for value, _ in self.published.get(contracts.SESSIONS, [])]

    def letters(self) -> list[DeadLetter]:
        values = self.published.get(contracts.DEAD_LETTERS, [])
        return [msgspec.json.decode(value, type=DeadLetter) for value, _ in values]


class Message:
    """What is used of confluent_kafka.Message; Kafka's timestamp is NOW plus the offset."""

    def __init__(self, topic: str, offset: int, value: bytes) -> None:
        self._topic, self._offset, self._value = topic, offset, value

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, NOW + self._offset

    def headers(self) -> None:
        return None


def click(event: str, seconds: int, user: str = "u", **more: Any) -> bytes:
    return contracts.encode(
        Click(event_id=event, user_id=user, item_id="i", timestamp=NOW - 10**9 + seconds * 1000, **more)
    )


def beat(seconds: int) -> bytes:
    return contracts.encode(Heartbeat(heartbeat=NOW - 10**9 + seconds * 1000))


def partition(settings: Settings, topics: Topics) -> SessionizerPartition:
    letters = DeadLetters(topics, settings, processor="sessionizer", now=lambda: FAILED_AT)  # type: ignore[arg-type]
    return SessionizerPartition(settings, topics, 3, decode=contracts.decode_clicks, dead_letters=letters)  # type: ignore[arg-type]


def batches(partition: SessionizerPartition, topics: Topics, *values: bytes) -> None:
    start = len(topics.log)
    topics.log += values
    records = [
        Record(
            topic=contracts.CLICKS,
            partition=3,
            offset=offset,
            key=None,
            value=topics.log[offset],
            timestamp=NOW + offset,
            by_broker=topics.by_broker,
        )
        for offset in range(start, len(topics.log))
    ]
    for batch in partition.batches(records):
        if partition.decide(batch, NOW):
            secure(partition)
        partition.take(batch, NOW)


def secure(partition: SessionizerPartition) -> None:
    partition.store_unsecured()
    partition.unsecured = None


def restore(partition: SessionizerPartition, topics: Topics, **options: bool) -> None:
    partition.claim()
    plan = partition.plan(topics, **options)  # type: ignore[arg-type]
    secure(partition)
    partition.reread(topics, plan, lambda: secure(partition), lease=Lease.unlimited())  # type: ignore[arg-type]


def checkpoint(partition: SessionizerPartition) -> bool:
    made = partition.checkpoint()
    if made is not None:
        partition.store(made)
    return made is not None


def restored(
    settings: Settings, topics: Topics, kept: SessionizerPartition | None = None, **options: bool
) -> SessionizerPartition:
    again = kept or partition(settings, topics)
    again.restored = False
    restore(again, topics, **options)
    assert again.restored
    return again


def live(event: str, at: int) -> bytes:
    return contracts.encode(Click(event_id=event, user_id="u", item_id="i", timestamp=at))


def accepted(topics: Topics) -> list[tuple[int, str, str]]:
    """(position, item, user) of each accepted click, as they were published."""
    values = [value for value, _ in topics.published.get(contracts.ACCEPTED_CLICKS, [])]
    messages = [msgspec.json.decode(value, type=AcceptedClicks) for value in values]
    assert len({message.log_id for message in messages}) <= 1
    return [(position, item, user) for one in messages for position, _, _, user, item, *_ in one.clicks()]
