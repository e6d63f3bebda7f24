"""Revisions are kept in the registry, then told to the store and to Kafka, also when one of them was away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from features.store import OnlineStore
from learning.experiments_in_force import ExperimentsInForce
from learning.learner import Learner
from learning.learning_events import LearningEvents
from learning.parts import learning_parts
from learning.revisions import Revisions
from mos_online import contracts
from mos_online.contracts import RouterUpdate, decode_router_update, encode
from mos_online.errors import StoreError
from mos_online.experiments.reading import parse_plan
from mos_online.experiments.treatment import CHAMPION
from mos_online.learning.arm_router import RouterRules, RouterSchedule
from mos_online.learning.router_part import RouterPart
from mos_online.registry import open_registry
from mos_online.settings import Settings
from mos_online.themes.updates import revision_of
from publishing.unwaiting import Done
from streams.broker.librdkafka import MockCluster
from tests.experiments.plans import ROUTING
from tests.learning.test_router_part import give, session
from tests.published_model import publish_model


class Sender:
    """Kafka in memory, which can be away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.away = False

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        if self.away:
            return False
        self.sent.append((topic, key, value))
        done(None)
        return True

    def updates(self) -> list[RouterUpdate]:
        return [decode_router_update(value) for topic, _, value in self.sent if topic == contracts.ROUTER_UPDATES]


def shelf(settings: Settings, sender: Sender, write: Callable[[RouterUpdate], None]) -> Revisions:
    events = LearningEvents(settings, sender)
    return Revisions(settings, open_registry(settings), write=write, producer=sender, events=events)


def learned(revisions: Revisions, count: int = 40) -> RouterPart:
    part = RouterPart(revisions, rules=RouterRules(schedule=RouterSchedule(every=40)))
    give(part, [session(number, "ab"[number % 2], "ab"[number % 2]) for number in range(count)])
    return part


def test_a_revision_is_kept_then_stored_then_published(mos_home: Settings, tmp_path: Path) -> None:
    base = publish_model(tmp_path / "model", mos_home)
    store, sender = OnlineStore.open(mos_home), Sender()
    learned(shelf(mos_home, sender, store.routers.write))
    kept = open_registry(mos_home).routers(base.epoch).newest()
    assert kept is not None
    assert store.routers.read("champion") == kept
    assert sender.updates() == [kept]
    assert [topic for topic, _, _ in sender.sent] == ["router-updates", "learning-events"]
    assert {key for _, key, _ in sender.sent} == {b"champion"}
    assert revision_of(base, kept).epoch == base.version
    store.close()


def test_a_store_or_kafka_that_was_away_is_told_later(mos_home: Settings, tmp_path: Path) -> None:
    base = publish_model(tmp_path / "model", mos_home)
    sender, written, down = Sender(), [], [True]

    def write(update: RouterUpdate) -> None:
        if down:
            raise StoreError("the store is away")
        written.append(update)

    revisions = shelf(mos_home, sender, write)
    sender.away = True
    part = RouterPart(revisions, rules=RouterRules(schedule=RouterSchedule(every=40)))
    with pytest.raises(StoreError):
        give(part, [session(number, "ab"[number % 2]) for number in range(40)])
    kept = open_registry(mos_home).routers(base.epoch).newest()
    down.clear()
    part.step(50)
    assert (written, sender.sent) == ([kept], [])
    sender.away = False
    part.step(51)
    assert sender.updates() == [kept]
    part.step(52)
    assert (len(written), len(sender.updates())) == (1, 1)


def test_without_a_model_it_waits_for_one(mos_home: Settings, tmp_path: Path) -> None:
    revisions = shelf(mos_home, Sender(), lambda _: None)
    assert revisions.base(None) is None
    revisions._next_look = 0.0
    base = publish_model(tmp_path / "model", mos_home)
    found = revisions.base(None)
    assert found is not None
    assert found.version == base.version


@pytest.mark.slow
def test_the_learner_makes_and_publishes_revisions_and_goes_on_after_it_was_killed(
    mos_home: Settings, tmp_path: Path
) -> None:
    """All parts on a broker and a store; the second learner has nothing of the first but its log and the registry."""
    base = publish_model(tmp_path / "model", mos_home)
    broker = MockCluster()
    broker.create_topics(["sessions", "outcomes", "learning-events", "router-updates"], partitions=1)
    settings = mos_home.model_copy(
        update={"kafka": broker.bootstrap, "session_idle_timeout": 0.01, "feedback_window": 1.0}
    )
    history, store = open_registry(settings).routers(base.epoch), OnlineStore.open(settings)
    producer = Producer({"bootstrap.servers": broker.bootstrap})

    def close(numbers: range) -> None:
        for number in numbers:
            one = session(10_000 * number, *("ab"[number % 2] * 3))
            producer.produce("sessions", encode(one), key=one.user_id.encode())
        producer.flush()

    close(range(1500))
    at_end = ExitStack()
    learner = Learner(settings, learning_parts(settings, at_end), check=lambda: None)
    while history.newest() is None:
        learner.turn(0.05)
    first = history.read(1)
    assert (first.through_session, first.sessions) == ("s9990000", 1000)
    del learner  # killed: it closes nothing
    close(range(1500, 2100))
    other = Learner(settings, learning_parts(settings, at_end), check=lambda: None)
    while (newest := history.newest()) is None or newest.sequence < 2:
        other.turn(0.05)
    assert (newest.through_session, newest.sessions) == ("s19990000", 2000)
    assert store.routers.read("champion") == newest
    assert other.status().parts["router"]["revision"] == 2
    other.close()
    at_end.close()
    store.close()
    broker.close()


def test_each_arm_is_kept_stored_and_published_by_itself(mos_home: Settings, tmp_path: Path) -> None:
    base = publish_model(tmp_path / "model", mos_home)
    registry = open_registry(mos_home)
    treatments = ExperimentsInForce(registry.experiments()).treatments
    before = treatments()
    assert before is treatments()
    arm = "routing/1/online"
    registry.experiments().start(parse_plan(ROUTING), lambda _: None, now=1)
    treatments = ExperimentsInForce(registry.experiments()).treatments
    assert treatments().routers == {arm: None}, "known from the start"
    store, sender = OnlineStore.open(mos_home), Sender()
    sender.away = True
    rules = RouterRules(schedule=RouterSchedule(every=40))
    part = RouterPart(shelf(mos_home, sender, store.routers.write), rules=rules, treatments=treatments)
    sessions = [replace(session(n, "ab"[n % 2], "ab"[n % 2]), user_id=f"u{n}") for n in range(400)]
    give(part, sessions)
    kept = {name: registry.routers(base.epoch, name).newest() for name in (CHAMPION, arm)}
    assert None not in kept.values()
    assert {name: store.routers.read(name) for name in kept} == kept
    assert sender.sent == []
    sender.away = False
    part.step(500)
    assert {one.arm: one for one in sender.updates()} == kept
    assert {key for topic, key, _ in sender.sent if topic == contracts.ROUTER_UPDATES} == {b"champion", arm.encode()}
    store.close()
