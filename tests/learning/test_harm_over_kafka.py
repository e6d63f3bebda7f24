"""From outcomes in Kafka to an arm that is taken back in the registry: the learner with its part, killed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from msgspec.structs import replace

from learning.experiment_shelf import RegistryShelf
from learning.experiments import ExperimentsPart
from learning.experiments_in_force import ExperimentsInForce
from learning.learner import Learner
from learning.learning_events import LearningEvents
from mos_online.contracts import Outcome
from mos_online.experiments.reading import parse_plan
from mos_online.learning.kept_results import read_results
from mos_online.registry import open_registry
from mos_online.settings import Settings
from streams.broker.librdkafka import MockCluster
from tests.experiments.trial_logs import T, outcome
from tests.learning.test_experiments_part import Kafka
from tests.learning.test_learner_process import publish

PLAN = """
layers:
  - name: home
    experiments:
      - name: routing
        buckets: [[0, 10000]]
        control: a
        arms: [{name: a, router: frozen}, {name: b, router: online}]
        primary: ctr
        window: 1s
        minimum: 1s
        expected_users: 1000
"""
USERS, STEP = 1_500, 200


@pytest.fixture
def settings(mos_home: Settings, free_port: Callable[[], int]) -> Iterator[Settings]:
    broker = MockCluster()
    broker.create_topics(["sessions", "outcomes"], partitions=2)
    changes = {"session_idle_timeout": 0.01, "feedback_window": 1.0, "session_gap": 1.0, "learn_port": free_port()}
    yield mos_home.model_copy(update={"kafka": broker.bootstrap, **changes})
    broker.close()


def harmful() -> list[Outcome]:
    """A user every fifth of a second; those of the arm b click much less."""
    rng, found = np.random.default_rng(1), []
    for user in range(USERS):
        arm, at = "ab"[int(rng.random() < 0.5)], T + user * STEP
        clicked = np.flatnonzero(rng.random(3) < (0.2 if arm == "b" else 0.5)).tolist()
        found.append(replace(outcome(user, f"u{user}", at, arm=arm, clicked=clicked), window_end=at + 1_000))
    return found


def learner_of(settings: Settings, kafka: Kafka) -> Learner:
    history = open_registry(settings).experiments()
    part = ExperimentsPart(
        folder=settings.learning_dir,
        shelf=RegistryShelf(history, ExperimentsInForce(history), lambda _: None),
        events=LearningEvents(settings, kafka),
        types=settings.sessions.types,
        feedback_window=settings.join_rules.window,
        session_gap=settings.sessions.gap,
    )
    return Learner(settings, [part], check=lambda: None)


def test_an_arm_that_harms_is_taken_back(settings: Settings) -> None:
    history = open_registry(settings).experiments()
    history.start(parse_plan(PLAN), lambda _: None, now=1)
    records, kafka = harmful(), Kafka()
    publish(settings, records[:300])
    first = learner_of(settings, kafka)
    while first.status().records < 200:
        first.turn(0.05)
    first.intake.reader.close()  # killed: nothing is written any more
    publish(settings, records[300:])
    second = learner_of(settings, kafka)
    while not history.read().in_force.running[0].is_rolled_back("b"):
        second.turn(0.05)
    (taken,) = history.read().in_force.running[0].rolled_back
    assert "ctr is worse" in taken.why
    while not kafka.sent:
        second.turn(0.05)
    assert [(event.kind, event.arm) for event in kafka.sent] == [("rolled_back", "b")]
    second.close()
    (result,) = read_results(settings.learning_dir)
    assert result.verdicts["b"].why == taken.why
    assert result.left_out == {}
