"""The demo's observer reads topics to which anybody may write."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mos_cli.demo.observer import TOPICS, Observer
from mos_online import contracts
from mos_online.contracts import Recommendation
from mos_online.settings import Settings
from tests.contracts.test_documentation import SENT
from tests.streams.poison import Poison, poison


class Message:
    """What is used of confluent_kafka.Message."""

    def __init__(self, topic: str, bad: Poison) -> None:
        self._facts = {"topic": topic, "partition": 0, "offset": 1, "key": bad.key, "value": bad.value, "error": None}
        self._facts |= {"headers": list(bad.headers), "timestamp": (1, bad.timestamp)}

    def __getattr__(self, name: str) -> Any:
        return lambda: self._facts[name]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> tuple[Observer, list[Recommendation]]:
    monkeypatch.setattr("mos_cli.demo.observer.librdkafka_config", lambda _: {"bootstrap.servers": "k:1"})
    monkeypatch.setattr("mos_cli.demo.observer.Consumer", Mock())
    monkeypatch.setattr(Observer, "_ends", lambda _: [])
    found: list[Recommendation] = []
    return Observer(Settings(), found.append), found


@pytest.mark.parametrize("topic", TOPICS)
@given(data=st.data())
@examples(max_examples=60, suppress_health_check=list(HealthCheck))
def test_a_record_that_cannot_be_read_is_counted(
    taken: tuple[Observer, list[Recommendation]], topic: str, data: st.DataObject
) -> None:
    observer, found = taken
    bad = data.draw(poison(b"u", contracts.encode(SENT[topic][0])))
    before = observer.seen.unreadable.total()
    observer._take(Message(topic, bad))
    assert observer.seen.unreadable.total() in {before, before + 1}
    observer._take(Message(topic, bad._replace(value=b"{")))
    assert observer.seen.unreadable[topic] >= (topic != contracts.LATE_EVENTS)
    assert all(isinstance(each, Recommendation) for each in found)
