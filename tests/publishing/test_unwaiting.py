"""The producer that never waits, on librdkafka's mock cluster and without any."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from mos_online.settings import Settings
from publishing.unwaiting import UnwaitingProducer
from simulator.partition import partition_of
from streams.broker.librdkafka import MockCluster
from streams.kafka.log_reader import LogReader
from tests.serving.serving_doubles import wait_for

PARTITIONS = 4


class Reports:
    """What became of the records."""

    def __init__(self) -> None:
        self.found: list[str | None] = []
        self.threads: set[str] = set()

    def __call__(self, error: str | None) -> None:
        self.found.append(error)
        self.threads.add(threading.current_thread().name)


def begin(settings: Settings) -> MockCluster:
    """A broker with our topic, where the settings look for it."""
    cluster = MockCluster()
    cluster.create_topics(["decisions"], partitions=PARTITIONS)
    settings.home.mkdir(exist_ok=True)
    settings.broker_file.write_text(json.dumps({"bootstrap": cluster.bootstrap}))
    return cluster


@pytest.fixture
def producer(mos_home: Settings) -> Iterator[UnwaitingProducer]:
    producer = UnwaitingProducer(mos_home, room=50)
    producer.start()
    yield producer
    producer.stop()


def values(settings: Settings) -> dict[int, list[bytes | None]]:
    reader = LogReader(settings)
    bounds = {number: reader.bounds("decisions", number) for number in range(PARTITIONS)}
    found = {
        number: [message.value() for message in reader.read("decisions", number, *ends)]
        for number, ends in bounds.items()
    }
    reader.close()
    return found


def test_a_record_lands_in_the_partition_of_its_key(mos_home: Settings, producer: UnwaitingProducer) -> None:
    cluster, reports = begin(mos_home), Reports()
    users = [f"u{number}" for number in range(20)]
    wait_for(lambda: producer.send("decisions", b"u0", b"u0", reports))

    assert all(producer.send("decisions", user.encode(), user.encode(), reports) for user in users[1:])

    wait_for(lambda: reports.found == [None] * 20)
    found = values(mos_home)
    assert found == {
        number: [user.encode() for user in users if partition_of(user.encode(), PARTITIONS) == number]
        for number in range(PARTITIONS)
    }
    assert reports.threads == {"kafka"}
    cluster.close()


def test_without_a_broker_every_record_is_refused_and_the_reason_is_told(producer: UnwaitingProducer) -> None:
    wait_for(lambda: producer.trouble)
    reports = Reports()

    assert not producer.send("decisions", b"u", b"v", reports)

    assert "mos kafka" in (producer.trouble or "")
    assert reports.found == []


def test_with_a_broker_that_is_away_records_wait_until_the_room_is_full(
    mos_home: Settings, producer: UnwaitingProducer
) -> None:
    begin(mos_home).close()
    reports = Reports()
    wait_for(lambda: producer.send("decisions", b"u", b"first", reports))

    taken = [producer.send("decisions", b"u", b"more", reports) for _ in range(100)]

    assert taken == [True] * 49 + [False] * 51
    assert reports.found == []


def test_a_broker_that_comes_late_or_comes_back_elsewhere_is_found(
    mos_home: Settings, producer: UnwaitingProducer
) -> None:
    wait_for(lambda: producer.trouble)
    first, reports = begin(mos_home), Reports()
    wait_for(lambda: producer.send("decisions", b"u", b"one", reports))
    wait_for(lambda: reports.found == [None])
    assert producer.trouble is None
    first.close()
    assert producer.send("decisions", b"u", b"lost", reports)

    second = begin(mos_home)

    wait_for(lambda: len(reports.found) == 2)
    assert reports.found[1] is not None
    wait_for(lambda: producer.send("decisions", b"u", b"two", reports) and reports.found[2:3] == [None])
    assert b"two" in values(mos_home)[partition_of(b"u", PARTITIONS)]
    second.close()


def test_what_was_taken_is_delivered_at_the_end_and_nothing_is_taken_after_it(
    mos_home: Settings, producer: UnwaitingProducer
) -> None:
    cluster, reports = begin(mos_home), Reports()
    wait_for(lambda: producer.send("decisions", b"u", b"one", reports))

    producer.stop()

    assert reports.found == [None]
    assert not producer.send("decisions", b"u", b"two", reports)
    cluster.close()
