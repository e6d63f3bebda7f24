"""The edge to Kafka, on librdkafka's own mock cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from mos_cli.replay import app
from mos_online import settings as settings_module
from mos_online.contracts import Click, Heartbeat, decode_clicks
from mos_online.errors import BrokerError
from mos_online.kafka_config import PARTITIONER
from mos_online.settings import Settings
from simulator.partition import partition_of
from simulator.population import SyntheticConfig, synthesize
from simulator.replay import Replay, ReplayConfig, Speed
from simulator.replay.clicks_topic import ClicksTopic
from simulator.replay.group_offsets import GroupOffsets, lag_guard

pytestmark = pytest.mark.slow


@pytest.fixture
def broker() -> Iterator[str]:
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 2})
    cluster.list_topics("clicks", timeout=10)  # asking creates it
    (address,) = cluster.list_topics(timeout=10).brokers.values()
    yield f"{address.host}:{address.port}"
    cluster.flush(1)


@pytest.fixture
def settings(broker: str, tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    settings.broker_file.write_text(json.dumps({"bootstrap": broker}))
    return settings


def read_all(broker: str, topic: str, group: str = "reader") -> list[tuple[int, bytes | None, list[Click] | Heartbeat]]:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "enable.partition.eof": False})
    places = [TopicPartition(topic, p) for p in consumer.list_topics(timeout=10).topics[topic].partitions]
    waiting = 0
    for place in places:
        low, high = consumer.get_watermark_offsets(place, timeout=10)
        place.offset = low
        waiting += high - low
    consumer.assign(places)
    found: list[tuple[int, bytes | None, list[Click] | Heartbeat]] = []
    while len(found) < waiting:
        found += [(m.partition(), m.key(), decode_clicks(m.value())) for m in consumer.consume(1000, 1.0)]
    consumer.commit(offsets=consumer.position(places), asynchronous=False)
    consumer.close()
    return found


def test_a_log_arrives_where_librdkafka_itself_would_put_it(broker: str, settings: Settings) -> None:
    log = synthesize(SyntheticConfig(users=60, days=2, sessions_per_user=2))
    config = ReplayConfig(speed=Speed.parse("max"), envelope=3)
    with ClicksTopic(settings) as topic, lag_guard(settings, ["reader"]) as guard:
        run = Replay(log.clicks, topic, config, sessions=settings.sessions, guard=guard)
        last = list(run.run())[-1]
        assert guard is not None
        assert guard.lag > 0
        found = read_all(broker, "clicks")
        guard.refresh(0)
        assert guard.lag == 0
    clicks = [click for _, _, message in found if isinstance(message, list) for click in message]
    assert sorted(c.event_id for c in clicks) == log.clicks["event_id"].to_list()
    assert len(found) == last.messages
    beats = {partition: message for partition, _, message in found if isinstance(message, Heartbeat)}
    assert beats == {p: Heartbeat(heartbeat=run.closing or 0) for p in range(topic.partitions)}

    places: dict[str, int] = {}
    producer = Producer({"bootstrap.servers": broker, "partitioner": PARTITIONER})
    for user in log.clicks["user_id"].unique():
        note = lambda _, m: places.__setitem__(m.key().decode(), m.partition())  # noqa: E731
        producer.produce("clicks", b"", user, on_delivery=note)
    producer.flush(10)
    assert places == {user: partition_of(user.encode(), topic.partitions) for user in places}
    assert {key.decode(): partition for partition, key, _ in found if key} == places


def test_a_group_that_has_committed_nothing_has_no_position(settings: Settings) -> None:
    offsets = GroupOffsets(settings, ["nobody"])
    assert offsets.committed() == [None] * 4
    offsets.close()


def test_a_missing_topic_is_an_error_and_is_not_created(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"namespace": "other-"})
    for _ in range(2):
        with pytest.raises(BrokerError, match="topic other-clicks does not exist; create it with `mos topics create`"):
            ClicksTopic(elsewhere)


def test_the_command_replays_and_sums_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_HOME", str(settings.home))
    settings_module.settings.cache_clear()
    arguments = ["--speed", "max", "--events", "500", "--from", "0.5", "--malformed", "0.1", "--groups", ""]
    result = CliRunner().invoke(app, arguments)
    settings_module.settings.cache_clear()
    assert result.exit_code == 0, result.output
    assert "500 of 500" in result.output
    assert "closed by heartbeats" in result.output
    assert "not_json" in result.output
