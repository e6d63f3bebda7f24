"""How large records may be is asked of Kafka, and kept to before Kafka would refuse."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigEntry

from mos_online import contracts
from mos_online.errors import BrokerError, ContractError
from mos_online.settings import Settings
from publishing.producer import RecordProducer
from streams.broker.embedded import embedded_broker
from streams.kafka import limits
from streams.kafka.limits import largest_records

CLUSTER = Settings(kafka="127.0.0.1:9")


def answers(monkeypatch: pytest.MonkeyPatch, answer: int | Exception) -> None:
    """Kafka gives this as ``max.message.bytes`` of every topic."""

    class Admin:
        def __init__(self, config: object) -> None:
            pass

        def describe_configs(self, asked: list[Any], request_timeout: float) -> dict[Any, Future[Any]]:
            found: dict[Any, Future[Any]] = {}
            for each in asked:
                found[each] = Future()
                if isinstance(answer, Exception):
                    found[each].set_exception(answer)
                else:
                    found[each].set_result({"max.message.bytes": ConfigEntry("max.message.bytes", str(answer))})
            return found

    monkeypatch.setattr(limits, "AdminClient", Admin)


def test_every_topic_that_we_write_to_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, 20_000)
    assert largest_records(CLUSTER) == dict.fromkeys(set(contracts.TOPICS) - {contracts.CLICKS}, 19_000)
    answers(monkeypatch, 5_000_000)
    assert set(largest_records(CLUSTER).values()) == {1_000_000}


def test_a_topic_of_no_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, 9_999)
    with pytest.raises(BrokerError, match=r"has max\.message\.bytes=9999; at least 10000 are needed"):
        largest_records(CLUSTER)


@pytest.mark.parametrize(
    "error", [TimeoutError(), KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))], ids=repr
)
def test_a_broker_that_does_not_say_is_believed_to_have_the_default(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, error)
    assert largest_records(CLUSTER) == {}


def test_what_is_larger_is_refused_before_it_is_sent(mos_home: Settings) -> None:
    with embedded_broker(mos_home):
        assert largest_records(mos_home) == {}
        producer = RecordProducer(mos_home, largest={"sessions": 100})
        producer.publish("sessions", b"k" * 10, b"v" * 90)
        producer.publish("late-events", b"k" * 10, b"v" * 91)
        for topic, key, value in (
            ("sessions", b"k" * 10, b"v" * 91),
            ("sessions", None, b"v" * 101),
            ("late-events", b"k", b"v" * 1_000_000),
        ):
            with pytest.raises(ContractError, match=f"bytes for {topic}, which takes less"):
                producer.publish(topic, key, value)
        asyncio.run(producer.flush())
