"""All parts of the learner, on a broker inside this process and a real online store."""

from __future__ import annotations

from contextlib import ExitStack

import msgspec
import pytest
from confluent_kafka import Consumer, Producer

from features.store import OnlineStore
from learning.learner import Learner
from learning.parts import learning_parts
from mos_online.contracts import LearningEvent, encode
from mos_online.settings import Settings
from streams.broker.librdkafka import MockCluster
from tests.learning.outcome_streams import outcomes


@pytest.mark.slow
def test_outcomes_become_weights_in_the_store_and_a_drift_an_event(mos_home: Settings) -> None:
    broker = MockCluster()
    broker.create_topics(["sessions", "outcomes", "learning-events"], partitions=1)
    settings = mos_home.model_copy(
        update={"kafka": broker.bootstrap, "session_idle_timeout": 0.01, "feedback_window": 1.0}
    )
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for one in outcomes(1_800, chance=lambda n, theme: 1.2 if n > 12_000 else 0.0):
        producer.produce("outcomes", encode(one), key=one.user_id.encode())
        producer.poll(0)
    producer.flush()
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "t", "auto.offset.reset": "earliest"})
    consumer.subscribe(["learning-events"])
    store = OnlineStore.open(settings)
    at_end = ExitStack()
    learner = Learner(settings, learning_parts(settings, at_end), check=lambda: None)
    weights, event = None, None
    while weights is None or event is None:
        learner.turn(0.05)
        weights, event = store.fast_weights.read(["champion"]).get("champion"), event or consumer.poll(0.05)
    status = learner.status()
    learner.close()
    at_end.close()
    consumer.close()
    store.close()
    broker.close()

    alarm = msgspec.json.decode(event.value() or b"", type=LearningEvent)
    assert (alarm.kind, alarm.signal, alarm.arm) == ("alarm", "calibration", "champion")
    assert 0 < weights.models["m1"].p_click(-2.0, 0, 1) < 1
    assert status.parts["fast-weights"]["models"].keys() == {"champion m1"}
    assert "failure" not in status.parts["fast-weights"]
