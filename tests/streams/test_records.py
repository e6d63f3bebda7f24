"""A record is the same whichever client has read it, and says whose clock its timestamp is of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_NOT_AVAILABLE
from faust.types import TP

from streams.kafka.records import Record, of_confluent
from streams.runtime.unpacking import record_of_aiokafka


def by_librdkafka(kind: int, timestamp: int) -> Record:
    values = {"topic": "t", "partition": 1, "offset": 7, "key": b"k", "value": b"v", "headers": [("h", b"1")]}
    message: Any = SimpleNamespace(**{name: lambda value=value: value for name, value in values.items()})
    message.timestamp = lambda: (kind, timestamp)
    return of_confluent(message)


def by_aiokafka(kind: int | None, timestamp: int | None) -> Record:
    record = SimpleNamespace(
        offset=7, key=b"k", value=b"v", headers=[("h", b"1")], timestamp=timestamp, timestamp_type=kind
    )
    return record_of_aiokafka(None, TP("t", 1), record)


@pytest.mark.parametrize(
    ("records", "by_broker"),
    [
        ((by_librdkafka(TIMESTAMP_LOG_APPEND_TIME, 5), by_aiokafka(1, 5)), True),
        ((by_librdkafka(TIMESTAMP_CREATE_TIME, 5), by_aiokafka(0, 5)), False),
    ],
)
def test_both_clients_give_the_same_record(records: tuple[Record, Record], by_broker: bool) -> None:
    first, second = records
    assert first == second
    assert (first.timestamp, first.by_broker) == (5, by_broker)
    assert first.arrived_at(99) == (5 if by_broker else 99)


@pytest.mark.parametrize("record", [by_librdkafka(TIMESTAMP_NOT_AVAILABLE, 0), by_aiokafka(None, None)])
def test_a_record_without_a_timestamp_arrives_by_the_clock_of_the_worker(record: Record) -> None:
    assert record.arrived_at(99) == 99
