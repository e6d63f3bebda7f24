"""The part of the learner: what it publishes, how often, and that a restart loses and repeats nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from learning.fast_weights import FILE, PUBLISH_EVERY, STORE_EVERY, FastWeightsPart
from learning.learning_events import LearningEvents
from mos_online.contracts import Assignment, LearningEvent, Outcome, Session
from mos_online.errors import StoreError
from mos_online.experiments.changes import stopped
from mos_online.experiments.treatment import NO_EXPERIMENTS, Treatments
from mos_online.learning.fast_weights import FastWeights
from mos_online.learning.learner import FastLearner
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.settings import Settings
from publishing.unwaiting import Done
from tests.experiments.plans import MODELS, ROUTING, in_force
from tests.learning.outcome_streams import outcomes
from tests.learning.records import session

STREAM = list(outcomes(2_000, chance=lambda n, theme: 0.9 if n > 13_000 else 0.0))


class ByNumber:
    """Sessions have themes 1, 2, 3 in turn, by the time of their closing; another epoch may begin."""

    def __init__(self) -> None:
        self.epoch: tuple[str, int] | None = ("e1", 4)

    def follow(self) -> tuple[str, int] | None:
        begun, self.epoch = self.epoch, None
        return begun

    def of(self, sessions: Sequence[Session]) -> list[int]:
        return [one.watermark // 1000 % 3 + 1 for one in sessions]


class Kafka:
    """Takes records, or none, or loses them."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.keys: list[bytes] = []
        self.room = True
        self.error: str | None = None

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        assert topic == "learning-events"
        if not self.room:
            return False
        if self.error is None:
            self.sent.append(value)
            self.keys.append(key)
        done(self.error)
        return True

    def events(self) -> list[LearningEvent]:
        return [msgspec.json.decode(raw, type=LearningEvent) for raw in self.sent]


class World:
    """Everything around a part; time goes on when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka = Kafka()
        self.written: list[FastWeights] = []
        self.now = 100.0
        self.failure: StoreError | None = None
        self.treatments = NO_EXPERIMENTS

    def write(self, weights: FastWeights) -> None:
        if self.failure is not None:
            raise self.failure
        self.written.append(weights)

    def part(self) -> FastWeightsPart:
        events = LearningEvents(Settings(), self.kafka)
        return FastWeightsPart(
            folder=self.folder,
            themes=ByNumber(),
            write=self.write,
            events=events,
            treatments=lambda: self.treatments,
            clock=lambda: self.now,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def batches(stream: Sequence[Outcome], *, again: bool = False) -> list[LearningBatch]:
    """One for each outcome, with a session beside it."""
    return [
        LearningBatch(
            sessions=[session(one.user_id, 1, closed_at=one.window_end)],
            outcomes=[one],
            event_time=one.window_end + 1000,
            again=again,
        )
        for one in stream
    ]


def give(part: FastWeightsPart, given: Sequence[LearningBatch]) -> list[Alarm]:
    for batch in given:
        part.take(batch)
    return list(part.step(given[-1].event_time))


def test_weights_are_written_when_they_change_and_at_most_once_a_second(world: World) -> None:
    part = world.part()
    give(part, batches(STREAM[:100]))
    assert world.written == []
    world.now += PUBLISH_EVERY
    give(part, batches(STREAM[100:400]))
    (first,) = world.written
    give(part, batches(STREAM[400:410]))
    assert len(world.written) == 1
    world.now += PUBLISH_EVERY
    part.step(0)
    assert [one.arm for one in world.written] == ["champion", "champion"]
    assert first.models.keys() == {"m1"}
    world.now += PUBLISH_EVERY
    part.step(0)
    assert len(world.written) == 2, "nothing has changed"
    assert part.status()["models"] == {"champion m1": world.written[1].models["m1"].version}


def test_a_store_that_is_away_is_tried_again(world: World) -> None:
    part = world.part()
    world.failure = StoreError("away")
    with pytest.raises(StoreError):
        give(part, batches(STREAM[:300]))
    world.failure = None
    world.now += PUBLISH_EVERY
    part.step(0)
    assert len(world.written) == 1


def test_an_alarm_is_published_once_heard_by_the_others_and_shown(world: World) -> None:
    part = world.part()
    world.kafka.room = False
    found = give(part, batches(STREAM))
    assert {alarm.trigger for alarm in found} >= {"fast-weights"}
    assert world.kafka.sent == []
    world.kafka.room, world.kafka.error = True, "lost"
    part.step(0)
    world.kafka.error = None
    part.step(0)
    part.step(0)
    events = world.kafka.events()
    assert [(event.action, event.timestamp) for event in events] == [(one.trigger, one.event_time) for one in found]
    assert len({event.event_id for event in events}) == len(events)
    assert set(world.kafka.keys) == {b"champion"}
    assert all("clicks than expected" in event.reason for event in events if event.signal == "calibration")
    assert len(part.status()["alarms"]) == len(found)  # type: ignore[arg-type]


@pytest.mark.parametrize("stored_at", [0, 700])
def test_a_part_that_was_killed_goes_on_as_if_it_had_not_been(world: World, tmp_path: Path, stored_at: int) -> None:
    """The state on the disk is older than what was taken: the rest comes from the log of the learner."""
    killed = World(tmp_path / "killed")
    killed.folder.mkdir()
    part = killed.part()
    if stored_at:
        give(part, batches(STREAM[:stored_at]))  # the first step stores
    for batch in batches(STREAM[stored_at:1_000]):
        part.take(batch)
    resumed = killed.part()
    for batch in batches(STREAM[:1_000], again=True):
        resumed.take(batch)
    whole = world.part()
    give(whole, batches(STREAM[:1_000]))
    for one, at in ((resumed, killed), (whole, world)):
        for batch in batches(STREAM[1_000:1_290]):  # before the drift
            one.take(batch)
        at.now += STORE_EVERY
        one.step(0)

    assert stored(killed)["learner"] == stored(world)["learner"]
    assert killed.written[-1] == world.written[-1]


@pytest.mark.parametrize("merged", [False, True])
def test_a_late_batch_is_learned_once_whenever_the_part_is_killed(world: World, tmp_path: Path, merged: bool) -> None:
    """It has the event time of the batch before, and files of the log are merged."""
    given = batches(STREAM[:100])
    late = [replace(one, event_time=given[-1].event_time) for one in batches(STREAM[100:103])]
    whole = world.part()
    give(whole, [*given, *late])
    for stored_at in range(4):
        killed = World(tmp_path / f"killed{stored_at}")
        killed.folder.mkdir()
        give(killed.part(), [*given, *late[:stored_at]])
        resumed = killed.part()
        last = [given[-1], *late]
        if merged:
            sessions = [session for one in last for session in one.sessions]
            last = [replace(last[0], sessions=sessions, outcomes=[out for one in last for out in one.outcomes])]
        for batch in [*given[:-1], *last]:
            resumed.take(replace(batch, again=True))
        killed.now += STORE_EVERY
        resumed.step(0)
        assert stored(killed) == stored(world)


def stored(world: World) -> dict[str, object]:
    return dict(msgspec.json.decode((world.folder / FILE).read_bytes()))


def test_what_is_learned_again_alarms_nobody_and_unsent_alarms_are_sent_after_a_restart(world: World) -> None:
    part = world.part()
    world.kafka.room = False
    found = give(part, batches(STREAM))
    world.kafka.room = True
    resumed = world.part()
    for batch in batches(STREAM, again=True):
        resumed.take(batch)
    assert resumed.step(0) == []
    assert [event.action for event in world.kafka.events()] == [alarm.trigger for alarm in found]
    (world.folder / FILE).unlink()
    anew = world.part()
    for batch in batches(STREAM, again=True):
        anew.take(batch)
    assert anew.step(0) == []


def test_a_damaged_state_is_learned_again_from_the_log(world: World) -> None:
    (world.folder / FILE).write_bytes(b"[")
    part = world.part()
    for batch in batches(STREAM[:300], again=True):
        part.take(batch)
    part.step(0)
    assert len(world.written) == 1


def test_sessions_are_watched_in_the_themes_of_the_epoch(world: World) -> None:
    themes = ByNumber()
    part = FastWeightsPart(
        folder=world.folder, themes=themes, write=world.write, events=LearningEvents(Settings(), world.kafka)
    )
    give(part, batches(STREAM[:300]))
    assert part.status()["epoch"] == "e1"
    themes.epoch = ("e2", 3)
    give(part, [replace(batch, outcomes=[]) for batch in batches(STREAM[300:400])])
    assert part.status()["epoch"] == "e2"


def test_each_arm_learns_from_the_answers_that_name_it_and_from_no_others(world: World) -> None:
    world.treatments = Treatments(in_force(ROUTING.replace("router: frozen}", "router: frozen, fast_weights: false}")))
    online, frozen = Assignment("routing", 1, "online", 0.5), Assignment("routing", 1, "frozen", 0.5)
    taken_back = replace(online, control_because="rolled_back")
    other, unknown = Assignment("models", 1, "new", 0.5), Assignment("later", 1, "a", 0.5)
    arms = {"champion": [], "routing/1/online": [online], "nobody": [frozen], "no one": [taken_back], "none": [unknown]}
    given = [replace(one, assignments=list(arms.values())[n % 5]) for n, one in enumerate(STREAM)]
    part, alone = world.part(), {}
    for name in arms:
        own = [one for one, arm in zip(given, [*arms] * len(given), strict=False) if arm == name]
        learner = FastLearner()
        for one in own:
            learner.outcome(one)
        found = learner.weights()
        alone[name] = found.models if found is not None else {}
    give(part, batches(given))
    world.now += PUBLISH_EVERY
    part.step(0)
    assert {one.arm for one in world.written} == {"champion", "routing/1/online"}
    for weights in world.written[-2:]:
        assert weights.models == alone[weights.arm]
    assert alone["champion"] != alone["routing/1/online"]
    unknown_ones = sum(one.assignments == [unknown] for one in given)
    assert part.status()["outcomes of unknown experiments, which teach nobody"] == unknown_ones > 0
    assert Treatments(in_force("layers:" + MODELS)).learner_of([replace(other, experiment="model")]) == "champion"

    world.treatments = Treatments(stopped(in_force(ROUTING), ["routing"], "done", now=9))
    give(part, batches(given[:5]))
    assert [one for one in part.status()["impressions"] if "routing" in one] == []  # type: ignore[attr-defined]


def test_an_experiment_that_is_started_again_elsewhere_does_not_go_on_from_old_arms(world: World) -> None:
    """The registry was wiped while nobody learned: the arm has the same name, and other users."""
    world.treatments = Treatments(in_force(ROUTING, now=1))
    arm = [Assignment("routing", 1, "online", 0.5)]
    given = batches([replace(one, assignments=arm) for one in STREAM])
    give(world.part(), given)
    world.now += 100
    again = world.part()
    give(again, [replace(batch, again=True) for batch in given])
    assert [one for one in again.status()["impressions"] if "routing" in one]  # type: ignore[attr-defined]
    world.treatments = Treatments(in_force(ROUTING, now=2))
    anew = world.part()
    give(anew, [*(replace(batch, again=True) for batch in given), given[-1]])
    found = anew.status()["impressions"]
    assert 0 < sum(found[one] for one in found if "routing" in one) <= len(STREAM[-1].items) * 2  # type: ignore
