"""Publishing while Kafka is away, and counting readers that cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.settings import Settings
from simulator.replay import clicks_topic, group_offsets
from simulator.replay.clicks_topic import ClicksTopic
from simulator.replay.group_offsets import GroupOffsets


class Cluster:
    """A cluster with one partition of ``clicks``, and its clients."""

    def __init__(self) -> None:
        self.away: KafkaError | None = None
        self.bounds: tuple[int, int] | None = (0, 5)
        self.full = 0
        self._told: Callable[[KafkaError], object] = lambda _: None

    def client(self, config: dict[str, Any]) -> Cluster:
        self._told = config.get("error_cb", self._told)
        return self

    def list_topics(self, timeout: float) -> Any:
        if self.away is not None:
            raise KafkaException(self.away)
        return SimpleNamespace(topics={"clicks": SimpleNamespace(error=None, partitions={0: None})})

    def get_watermark_offsets(self, *_: object, timeout: float) -> tuple[int, int] | None:
        return self.bounds

    def committed(self, wanted: list[Any], timeout: float) -> list[Any]:
        if self.away is not None:
            raise KafkaException(self.away)
        return [SimpleNamespace(offset=3) for _ in wanted]

    def poll(self, _: float) -> None:
        if self.away is not None:
            self._told(self.away)

    def produce(self, *_: object) -> None:
        if self.full:
            self.full -= 1
            raise BufferError

    def flush(self, _: float) -> int:
        return 0


@pytest.fixture
def cluster(mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(clicks_topic, "LOOK_EVERY", -1.0)
    mos_home.home.mkdir()
    mos_home.broker_file.write_text(json.dumps({"bootstrap": "h:1"}))
    cluster = Cluster()
    monkeypatch.setattr(clicks_topic, "Producer", cluster.client)
    monkeypatch.setattr(group_offsets, "Consumer", cluster.client)
    return cluster


def error(code: int) -> KafkaError:
    return KafkaError(code)


def test_a_broker_that_goes_away_is_waited_for_and_that_is_said_once(mos_home: Settings, cluster: Cluster) -> None:
    said: list[str] = []
    topic = ClicksTopic(mos_home, say=said.append)
    topic.check()
    assert said == []
    cluster.away, cluster.full = error(KafkaError._ALL_BROKERS_DOWN), 20
    topic.send(0, b"k", b"v")  # the queue is full for a while
    topic.check()
    assert len(said) == 1
    assert said[0].startswith("waiting for Kafka: ")
    cluster.away = None
    topic.check()
    topic.check()
    assert said[1:] == ["Kafka is back"]


@pytest.mark.parametrize("code", [KafkaError._AUTHENTICATION, KafkaError._SSL])
def test_what_no_waiting_mends_ends_it(code: int, mos_home: Settings, cluster: Cluster) -> None:
    topic = ClicksTopic(mos_home)
    cluster.away, cluster.full = error(code), 20
    with pytest.raises(BrokerError, match="could not be delivered"):
        topic.send(0, b"k", b"v")


def test_an_embedded_broker_that_was_started_anew_ends_it(mos_home: Settings, cluster: Cluster) -> None:
    topic = ClicksTopic(mos_home)
    cluster.away = error(KafkaError._ALL_BROKERS_DOWN)
    mos_home.broker_file.unlink()
    topic.check()
    mos_home.broker_file.write_text(json.dumps({"bootstrap": "h:2"}))
    with pytest.raises(BrokerError, match="started anew"):
        topic.check()


@pytest.mark.parametrize(
    ("code", "passes"), [(KafkaError._TRANSPORT, True), (KafkaError.GROUP_AUTHORIZATION_FAILED, False)]
)
def test_readers_that_cannot_be_asked_now_are_told_from_those_that_may_not(
    code: int, passes: bool, mos_home: Settings, cluster: Cluster
) -> None:
    offsets = GroupOffsets(mos_home, ["g"])
    assert offsets.committed() == [3]
    cluster.away = error(code)
    with pytest.raises(BrokerError) as raised:
        offsets.committed()
    assert isinstance(raised.value, BrokerUnavailableError) == passes


def test_a_broker_that_does_not_say_its_offsets_in_time_is_one_line(mos_home: Settings, cluster: Cluster) -> None:
    offsets = GroupOffsets(mos_home, ["g"])
    cluster.bounds = None
    with pytest.raises(BrokerUnavailableError, match="no answer within 10 s"):
        offsets.bounds()
