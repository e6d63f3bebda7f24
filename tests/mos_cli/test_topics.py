"""``mos topics`` as a user runs it, on the embedded broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from mos_online.contracts import TOPICS
from mos_online.settings import Settings
from streams.broker.embedded import embedded_broker
from tests.mos_cli.mos_runs import Mos


@pytest.fixture
def producer(mos_home: Settings) -> Iterator[Producer]:
    with embedded_broker(mos_home) as bootstrap:
        yield Producer({"bootstrap.servers": bootstrap, "log_level": 2})


def send(producer: Producer, *users: str) -> None:
    for number, user in enumerate(users):
        producer.produce("clicks", json.dumps({"user_id": user, "n": number}), user)
    producer.flush(10)


def test_what_is_there_is_shown_from_the_beginning(mos: Mos, producer: Producer) -> None:
    send(producer, "ann", "bob", "ann", "cid")
    all_of_it = mos("topics", "tail", "clicks", "--from-beginning", "--limit", "4")
    assert (all_of_it.status, all_of_it.err) == (0, "")
    positions, records = zip(*(line.split(" ", 1) for line in all_of_it.out.splitlines()), strict=True)
    assert all(position.partition("@")[0].isdigit() for position in positions)
    assert sorted(json.loads(record)["n"] for record in records) == [0, 1, 2, 3]
    of_ann = mos("topics", "tail", "clicks", "--from-beginning", "--limit", "2", "--user", "ann", "--json")
    assert [json.loads(line)["n"] for line in of_ann.out.splitlines()] == [0, 2]


def test_without_it_the_next_records_are_awaited_and_that_is_said(mos: Mos, producer: Producer) -> None:
    send(producer, "old")
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(0.05):
            send(producer, "new")

    sending = threading.Thread(target=go_on)
    sending.start()
    try:
        answer = mos("topics", "tail", "clicks", "--limit", "1", "--json")
    finally:
        done.set()
        sending.join()
    assert answer.err == "waiting for new records of clicks; --from-beginning shows those that are there\n"
    assert json.loads(answer.out)["user_id"] == "new"


def test_topics_are_listed_and_need_not_be_created(mos: Mos, producer: Producer) -> None:
    listed = mos("topics", "list")
    assert listed.status == 0
    assert all(f" {topic} " in listed.out for topic in TOPICS)
    assert "does not exist" not in listed.out
    assert "nothing to do" in mos("topics", "create").out


def test_a_broker_that_was_not_started_is_an_error(mos: Mos) -> None:
    answer = mos("topics", "tail", "clicks", "--limit", "1")
    assert answer.status == 2
    assert "mos kafka" in answer.err
