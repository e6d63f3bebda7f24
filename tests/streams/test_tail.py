"""Following a topic: what is waited for, what ends it, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from mos_online.errors import BrokerError
from mos_online.settings import Settings
from publishing import outage
from streams.kafka import tail
from streams.kafka.records import Record

Step = bytes | int | None
"""A record with this value; an error with this code; or a moment without either."""

DOWN, DENIED = KafkaError._ALL_BROKERS_DOWN, KafkaError.TOPIC_AUTHORIZATION_FAILED


class Message:
    """What is used of confluent_kafka.Message."""

    def __init__(self, step: bytes | int) -> None:
        fault = KafkaError(step) if isinstance(step, int) else None
        value = step if isinstance(step, bytes) else None
        facts = {"topic": "clicks", "partition": 0, "offset": 1, "key": b"u", "value": value, "error": fault}
        self._facts: dict[str, Any] = facts | {"headers": [], "timestamp": (1, 7)}

    def __getattr__(self, name: str) -> Any:
        return lambda: self._facts[name]


class Consumer:
    """Gives one step at each call; while ``away`` nothing is known of the topic."""

    def __init__(self, steps: list[Step], away: Callable[[], bool]) -> None:
        self._steps = steps
        self._away = away

    def list_topics(self, topic: str, timeout: float) -> Any:
        if self._away():
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None})})

    def assign(self, _: object) -> None: ...

    def close(self) -> None: ...

    def consume(self, *_: object) -> list[Message]:
        if not self._steps:
            raise RuntimeError("the script is over")
        step = self._steps.pop(0)
        return [] if step is None else [Message(step)]


@pytest.fixture
def followed(mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Record], list[str]]]:
    """What comes of these steps until the script is over, and what is said; ``away`` is asked after the start."""
    monkeypatch.setattr(outage, "LOOK_EVERY", 0.0)
    mos_home.home.mkdir()
    mos_home.broker_file.write_text(json.dumps({"bootstrap": "h:1"}))

    def run(*steps: Step, away: Callable[[], bool] = lambda: True) -> tuple[list[Record], list[str]]:
        script = list(steps)
        consumer = Consumer(script, lambda: len(script) < len(steps) and away())
        monkeypatch.setattr(tail, "Consumer", lambda _: consumer)
        records: list[Record] = []
        said: list[str] = []
        coming = tail.follow(mos_home, "clicks", from_beginning=True, say=said.append)
        with closing(coming), pytest.raises(RuntimeError, match="the script is over"):
            records.extend(coming)
        return records, said

    return run


def test_a_broker_that_goes_away_is_waited_for_and_that_is_said_once(
    followed: Callable[..., tuple[list[Record], list[str]]],
) -> None:
    records, said = followed(b"1", DOWN, None, DOWN, None, b"2", None, b"3")
    assert [record.value for record in records] == [b"1", b"2", b"3"]
    assert len(said) == 2
    assert said[0].startswith("waiting for Kafka: ")
    assert said[1] == "Kafka is back"


def test_a_moment_of_trouble_is_not_worth_a_word(followed: Callable[..., tuple[list[Record], list[str]]]) -> None:
    records, said = followed(b"1", DOWN, None, b"2", away=lambda: False)
    assert len(records) == 2
    assert said == []


def test_what_no_waiting_mends_ends_it_with_one_line(
    followed: Callable[..., tuple[list[Record], list[str]]],
) -> None:
    with pytest.raises(BrokerError, match="cannot read clicks: "):
        followed(b"1", DENIED, b"2")


def test_an_embedded_broker_that_was_started_anew_ends_it(
    mos_home: Settings, followed: Callable[..., tuple[list[Record], list[str]]]
) -> None:
    def away() -> bool:
        mos_home.broker_file.write_text(json.dumps({"bootstrap": "h:2"}))
        return True

    with pytest.raises(BrokerError, match="started anew"):
        followed(b"1", DOWN, None, b"2", away=away)
