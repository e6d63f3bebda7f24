"""The end of the demo: what has not come out of the system counts as lost only while Kafka answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaError, KafkaException

from mos_cli.demo import observer as demo_observer
from mos_cli.demo import watch as demo_watch
from mos_cli.demo.observer import Observer
from mos_online.processes import StalledError
from mos_online.settings import Settings
from publishing import outage

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN)
AWAY = KafkaException(KafkaError(KafkaError._TRANSPORT))


def test_a_kafka_that_is_away_while_the_demo_drains_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Mock()
    monkeypatch.setattr(outage, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(demo_observer, "librdkafka_config", lambda _: {"bootstrap.servers": "k:1"})
    monkeypatch.setattr(demo_observer, "Consumer", consumer)
    monkeypatch.setattr(Observer, "_ends", lambda _: [])
    settings = Settings(kafka="k:1")
    observer = Observer(settings, lambda _: None)
    reads, heard = consumer.return_value, consumer.call_args.args[0]["error_cb"]
    topic = SimpleNamespace(error=None, partitions={0: None})
    there = SimpleNamespace(topics=dict.fromkeys(map(settings.topic, demo_observer.TOPICS), topic))

    def look() -> None:
        """One turn of the observer's thread."""

        def nothing(*_: object) -> list[object]:
            observer._stop.set()
            return []

        reads.consume.side_effect = nothing
        observer._stop.clear()
        observer._run()
        observer.check()

    said: list[str] = []

    def wait(done: Callable[[], bool], *, progress: Callable[[], Hashable], **options: object) -> None:
        before = progress()
        look()
        assert progress() == before, "nothing has happened"
        heard(DOWN)
        reads.list_topics.side_effect = AWAY
        for _ in range(3):
            before = progress()
            look()
            assert progress() != before, "Kafka is away"
        reads.list_topics.side_effect, reads.list_topics.return_value = None, there
        before = progress()
        look()
        assert progress() != before, "Kafka has come back"
        before = progress()
        look()
        assert progress() == before, "nothing happens, and Kafka answers"
        raise StalledError

    monkeypatch.setattr(demo_watch, "wait_until", wait)
    monkeypatch.setattr(demo_watch, "offline_sessions", lambda *_: ["a session"])
    demo_watch._Watch(settings, Mock(), observer, Mock(), Mock()).drain(say=said.append)
    assert said == [f"waiting for Kafka: {DOWN.str()}", "Kafka is back"]
