"""The three logs of the joiner in memory, and what a restart makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mos_online import contracts
from mos_online.contracts import AcceptedClick, AcceptedClicks, Decision, Impression, Outcome
from mos_online.settings import Settings
from streams.kafka.records import Record
from streams.processors.joiner.partition import INPUTS, JoinerPartition
from streams.processors.joiner.recovery import restore
from tests.streams.stream_doubles import Message, Producer

NOW = 1_700_000_000_000
WINDOW, LATENESS = 60_000, 5_000
DECISIONS, IMPRESSIONS, ACCEPTED = INPUTS


def value(message: Any) -> bytes:
    if isinstance(message, AcceptedClick):
        message = AcceptedClicks.of("log", [message])
    return contracts.encode(message)


def record(name: str, offset: int, message: Any, arrived_at: int = NOW) -> Record:
    key = message.user_id.encode()
    return Record(
        topic=name, partition=0, offset=offset, key=key, value=value(message), timestamp=arrived_at, by_broker=True
    )


class Logs:
    """In place of ``LogReader``: records by topic, each of which begins somewhere."""

    def __init__(self) -> None:
        self.records: dict[str, list[Any]] = {}
        self.low: dict[str, int] = {}
        self.committed_to = 0
        self.producer = Producer()

    def add(self, name: str, message: Any, arrived_at: int = NOW) -> None:
        some = self.records.setdefault(name, [])
        some.append(record(name, len(some), message, arrived_at))

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self.low.get(topic, 0), len(self.records.get(topic, []))

    def partitions(self, topic: str) -> int:
        return 1

    def has_records(self, topic: str, partition: int, start: int, stop: int) -> bool:
        return start < stop

    def committed(self, name: str, topic: str, partition: int) -> int:
        assert (name, topic) == ("sessionizer", contracts.CLICKS)
        return self.committed_to

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Any]:
        assert start >= self.low.get(topic, 0)
        return (Message(one) for one in self.records.get(topic, [])[start:stop])

    def backwards(self, topic: str, partition: int) -> Iterator[Any]:
        """What was published to a topic of checkpoints."""
        found = enumerate(self.producer.published[topic])
        records = [
            Record(topic=topic, partition=number or 0, offset=offset, key=key, value=value, timestamp=NOW)
            for offset, (key, value, number, _) in found
        ]
        return (Message(one) for one in reversed(records))

    def close(self) -> None:
        pass


def message_of(one: Record) -> Any:
    kinds = {DECISIONS: Decision, IMPRESSIONS: Impression, ACCEPTED: AcceptedClicks}
    return msgspec.json.decode(one.value or b"", type=kinds[one.topic])


def partition_of(rules: Settings, *records: Record) -> JoinerPartition:
    partition = JoinerPartition(rules, Producer(), 0)  # type: ignore[arg-type]
    for one in records:
        partition.take(one.topic, one, message_of(one), now=NOW)
    return partition


class Recovering:
    """A partition with logs of its own, and what a restart makes of them.

    Attributes:
        partition: as it was started last.
    """

    def __init__(self, rules: Settings) -> None:
        self.rules, self.logs = rules, Logs()

    def start(self, *, accept_loss: bool = False) -> tuple[JoinerPartition, list[Outcome]]:
        """A new owner of the partition, and the outcomes that it publishes again."""
        self.partition = JoinerPartition(self.rules, self.logs.producer, 0)  # type: ignore[arg-type]
        self.partition.checkpoints.claim()

        def refuse(one: Record, error: Exception) -> None:
            raise error

        outcomes = restore(self.partition, self.rules, self.logs, message_of, refuse, accept_loss=accept_loss)  # type: ignore[arg-type]
        return self.partition, outcomes

    def store(self, checkpoint: bytes) -> None:
        """The owner stores a checkpoint."""
        self.partition.checkpoints.store(checkpoint)
