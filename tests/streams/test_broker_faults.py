"""Which errors of Kafka are waited for, which end the worker, and which topics have to grow."""

from __future__ import annotations

import asyncio
import json
from itertools import groupby
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from mos_online import contracts
from mos_online.errors import BrokerError, BrokerUnavailableError, MosError
from mos_online.health import Health
from mos_online.settings import Settings
from publishing.faults import LastFault, broker_error
from publishing.producer import RecordProducer
from streams.broker.embedded import embedded_broker
from streams.kafka import admin
from streams.kafka.admin import CheckedTopics
from streams.kafka.log_reader import LogReader
from streams.kafka.partitions import FOLLOWING, too_small, unequal
from streams.runtime import broker_watch
from streams.runtime.broker_watch import BrokerWatch
from streams.runtime.model_wait import ModelWait
from streams.runtime.worker import _ready, _report

FINAL = [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION]
PASSING = [
    KafkaError._TRANSPORT,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._TIMED_OUT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
]


@pytest.mark.parametrize("code", FINAL + PASSING)
def test_only_what_a_setting_mends_is_final(code: int) -> None:
    error = broker_error(KafkaException(KafkaError(code)), "cannot ask")
    assert isinstance(error, BrokerUnavailableError) == (code in PASSING)
    assert str(error).startswith("cannot ask: ")


def test_a_client_that_times_out_because_of_its_password_is_not_waited_for() -> None:
    last = LastFault()

    def poll(seconds: float) -> None:
        last(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        last(KafkaError(KafkaError._AUTHENTICATION))

    error = broker_error(KafkaException(KafkaError(KafkaError._TIMED_OUT)), "cannot ask", client=poll, last=last)
    assert not isinstance(error, BrokerUnavailableError)
    assert last.take() is None


@given(counts=st.lists(st.integers(1, 6), min_size=len(contracts.TOPICS), max_size=len(contracts.TOPICS)))
def test_every_topic_gets_the_partitions_of_those_that_it_follows_from(counts: list[int]) -> None:
    settings = Settings.load(namespace="n-")
    states = dict(zip(map(settings.topic, contracts.TOPICS), counts, strict=True))
    grown = states | (changes := too_small(settings, states))
    assert all(grown[name] > states[name] for name in changes)
    for source, topics in FOLLOWING:
        assert all(grown[settings.topic(name)] >= grown[settings.topic(source)] for name in topics)
    assert changes.keys().isdisjoint({settings.topic(contracts.CLICKS), settings.topic(contracts.DEAD_LETTERS)})


def test_nothing_listens_there(tmp_path: Path, free_port: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kafka.log_reader.TIMEOUT", 0.5)
    monkeypatch.setattr("publishing.producer.TIMEOUT", 0.5)
    settings = Settings.load(home=tmp_path, kafka="127.0.0.1:1")
    reader, producer = LogReader(settings), RecordProducer(settings)
    for ask in (
        lambda: reader.bounds("clicks", 0),
        lambda: reader.committed("sessionizer", "clicks", 0),
        lambda: producer.learn("sessions", 0),
    ):
        with pytest.raises(BrokerUnavailableError):
            ask()
    reader.close()


def test_records_that_cannot_be_delivered_are_given_up_at_the_end_only(tmp_path: Path) -> None:
    async def run() -> None:
        producer = RecordProducer(Settings.load(home=tmp_path, kafka="127.0.0.1:1"))
        producer.publish("sessions", b"k", b"v")
        flushing = asyncio.create_task(producer.flush())
        await asyncio.sleep(0.1)
        assert not flushing.done()
        producer.abandon()
        with pytest.raises(BrokerError, match="before Kafka had taken all records"):
            await flushing

    asyncio.run(run())


def test_a_broker_that_does_not_say_who_writes_timestamps(mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "TIMEOUT", 0.5)
    with embedded_broker(mos_home) as address, pytest.raises(BrokerUnavailableError, match="timestamps of clicks"):
        admin.timestamp_type(AdminClient({"bootstrap.servers": address, "log_level": 0}), "clicks")


# --- the watch


class Cluster:
    """Answers as the script says: an error, the partitions of ``clicks``, or a warning."""

    def __init__(self, *script: MosError | int | str) -> None:
        self._script = list(script)

    def check(self, settings: Settings) -> CheckedTopics:
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(answer, MosError):
            raise answer
        return CheckedTopics(3, answer) if isinstance(answer, str) else CheckedTopics(answer, None)


AWAY = BrokerUnavailableError("it is away")


def test_the_start_waits_for_kafka_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_watch, "FIRST", 0.0)
    watch = BrokerWatch(Settings.load(home=tmp_path, kafka="k:1"), Cluster(AWAY, AWAY, 7).check)
    said = ["the worker waits for Kafka: it has not answered yet"]
    assert _report(watch, ModelWait(watch._settings), []) == Health(program="worker", status="alive", details=said)
    assert asyncio.run(watch.ready()) == 7
    assert watch.trouble is None
    assert _ready(watch, ModelWait(watch._settings), []) == Health(
        program="worker", status="waiting", details=["the processors start"]
    )


def test_a_warning_is_in_the_health_until_it_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_watch, "PERIOD", 0.0)
    watch = BrokerWatch(Settings.load(home=tmp_path, kafka="k:1"), Cluster("uneven", 3, "odd", BrokerError("no")).check)
    told: list[list[str]] = []

    async def run() -> None:
        await watch.ready()
        looking = asyncio.create_task(watch.run())
        while watch.trouble is None:
            told.append(_report(watch, ModelWait(watch._settings), []).details)
            await asyncio.sleep(0)
        looking.cancel()

    asyncio.run(run())
    assert [said for said, _ in groupby(told)] == [["uneven"], [], ["odd"]]


@given(counts=st.lists(st.integers(1, 3), min_size=len(contracts.TOPICS), max_size=len(contracts.TOPICS)))
def test_topics_that_are_joined_by_user_are_named_if_their_partitions_differ(counts: list[int]) -> None:
    settings = Settings.load(namespace="n-")
    states = dict(zip(map(settings.topic, contracts.TOPICS), counts, strict=True))
    said = unequal(settings, states)
    by_key = {name: states[name] for name in ("n-clicks", "n-decisions", "n-impressions")}
    assert (said is None) == (len(set(by_key.values())) == 1)
    if said is not None:
        assert all(f"{name} has {count}" in said for name, count in by_key.items())
        assert f"MOS_PARTITIONS={max(counts)}" in said


def test_the_start_ends_where_no_waiting_helps(tmp_path: Path) -> None:
    watch = BrokerWatch(Settings.load(home=tmp_path, kafka="k:1"), Cluster(BrokerError("wrong password")).check)
    with pytest.raises(BrokerError, match="wrong password"):
        asyncio.run(watch.ready())


def test_a_broker_that_goes_away_and_comes_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_watch, "PERIOD", 0.0)
    told: list[str | None] = []

    class Told(BrokerWatch):
        def _note(self, trouble: str | None) -> None:
            super()._note(trouble)
            told.append(self.trouble)
            if len(told) == 4:
                raise RuntimeError("seen enough")

    watch = Told(Settings.load(home=tmp_path, kafka="k:1"), Cluster(3, 3, AWAY, BrokerError("denied"), 3).check)

    async def run() -> None:
        await watch.ready()
        await watch.run()

    with pytest.raises(RuntimeError):
        asyncio.run(run())
    assert told == [None, None, "it is away", "denied"]


def test_an_embedded_broker_that_was_started_anew_ends_the_worker(
    mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_watch, "PERIOD", 0.0)
    mos_home.home.mkdir()
    mos_home.broker_file.write_text(json.dumps({"bootstrap": "h:1"}))

    async def run() -> None:
        watch = BrokerWatch(mos_home, Cluster(1).check)
        await watch.ready()
        mos_home.broker_file.write_text(json.dumps({"bootstrap": "h:2"}))
        await watch.run()

    with pytest.raises(BrokerError, match="started anew"):
        asyncio.run(run())
