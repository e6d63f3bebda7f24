"""The part of the learner that counts experiments: what it takes back, publishes, and keeps over a restart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from learning.experiments import ExperimentsPart
from learning.learning_events import LearningEvents
from learning.stored_trials import FILE, Stored
from mos_online.contracts import EventTypes, LearningEvent, Session
from mos_online.errors import ModelError, RegistryError, StoreError
from mos_online.experiments.in_force import ArmRollback, Ended, InForce, Running
from mos_online.experiments.plan import ArmPlan, ExperimentPlan, Guardrail
from mos_online.learning.kept_results import FOLDER, read_results
from mos_online.learning.log import LearningLog
from mos_online.learning.order import Cell, Known, Source
from mos_online.learning.part import LearningBatch
from mos_online.settings import Settings
from publishing.unwaiting import Done
from tests.experiments.trial_logs import FEEDBACK, GAP, MINUTE, T, outcome, session

PLAN = ExperimentPlan(
    name="routing",
    buckets=[[0, 1_000]],
    control="a",
    arms=[ArmPlan(name="a"), ArmPlan(name="b")],
    primary="ctr",
    secondary=["revenue"],
    window="1h",
    minimum="1h",
    maximum="10d",
    expected_users=1_000,
)
USERS = 1_200


def batches(chance: float, *, missing: float = 0.0) -> list[LearningBatch]:
    """Two users a minute; the arm b is clicked with this chance, and some of its users are missing."""
    rng, found = np.random.default_rng(1), []
    for user in range(USERS):
        arm, at = "ab"[int(rng.random() < 0.5)], T + user * MINUTE // 2
        clicked = np.flatnonzero(rng.random(3) < (chance if arm == "b" else 0.5)).tolist()
        answers = [outcome(user, f"u{user}", at, arm=arm, clicked=clicked)]
        answers = answers if arm == "a" or rng.random() >= missing else []
        known = at + FEEDBACK + 1000
        sessions = [session(user, f"u{user}", [at + MINUTE], bought=2.0)]
        found.append(LearningBatch(outcomes=answers, sessions=sessions, event_time=known))
    return found


HARMFUL, SAME = batches(0.2), batches(0.5)


def running(plan: ExperimentPlan = PLAN, *, started_at: int = 1, **changes: object) -> InForce:
    """One experiment."""
    one = Running(layer="home", plan=plan, started_at=started_at, models={}, value="price", **changes)  # type: ignore[arg-type]
    return InForce(running=[one], value="price")


class Shelf:
    """Remembers what it was asked to do."""

    def __init__(self) -> None:
        self.now = running()
        self.asked: list[tuple[str | int, ...]] = []
        self.failure: RegistryError | None = None

    def in_force(self) -> InForce:
        if self.failure is not None:
            raise self.failure
        return self.now

    def roll_back(self, experiment: str, version: int, arm: str, why: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.asked.append(("roll_back", experiment, version, arm))
        self.now = running(rolled_back=[ArmRollback(arm=arm, at=2, why=why)])

    def ship(self, experiment: str, version: int, arm: str, why: str) -> None:
        self.asked.append(("ship", experiment, version, arm))
        self._end(why)

    def stop(self, experiment: str, version: int, why: str) -> None:
        self.asked.append(("stop", experiment, version))
        self._end(why)

    def _end(self, why: str) -> None:
        (one,) = self.now.running
        fields = {name: getattr(one, name) for name in one.__struct_fields__}
        self.now = InForce(ended=[Ended(**fields, ended_at=3, why=why)])


class Kafka:
    """Takes records."""

    def __init__(self) -> None:
        self.sent: list[LearningEvent] = []

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        assert topic == "learning-events"
        event = msgspec.json.decode(value, type=LearningEvent)
        assert key == event.arm.encode()
        self.sent.append(event)
        done(None)
        return True


class World:
    """Everything around a part; time goes on by a second at every step."""

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self.folder, self.shelf, self.kafka, self.now = folder, shelf, Kafka(), 0.0

    def part(self) -> ExperimentsPart:
        return ExperimentsPart(
            folder=self.folder,
            shelf=self.shelf,
            events=LearningEvents(Settings(), self.kafka),
            types=EventTypes.parse(),
            feedback_window=FEEDBACK,
            session_gap=GAP,
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    def give(self, part: ExperimentsPart, some: Sequence[LearningBatch], *, steps: int = 100) -> None:
        for number, batch in enumerate(some):
            part.take(batch)
            if number % steps == steps - 1:
                self.now += 1
                part.step(batch.event_time)

    def pause(self, part: ExperimentsPart) -> None:
        """Results and state are written."""
        self.now += 100
        part.step(0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Shelf())


def words(world: World) -> list[tuple[str, str]]:
    return [(event.kind, str(event.signal)) for event in world.kafka.sent]


def test_harm_is_taken_back_once_and_told(world: World) -> None:
    part = world.part()
    world.give(part, HARMFUL, steps=1)
    assert world.shelf.asked == [("roll_back", "routing", 1, "b")]
    assert words(world) == [("rolled_back", "harm")]
    (event,) = world.kafka.sent
    assert (event.part, event.version, event.arm) == ("experiment", "routing/1", "b")
    assert "ctr is worse" in event.reason
    (result,) = read_results(world.folder)
    assert result.verdicts["b"].word == "harm"
    assert result.arms[0].primary.users < USERS / 2, "it is taken back at the first sure look"
    assert "harm" in str(part.status())
    world.give(world.part(), [msgspec.structs.replace(batch, again=True) for batch in HARMFUL])
    assert len(world.shelf.asked) == 1


@pytest.mark.parametrize(("ship", "asked"), [("by-hand", []), ("automatic", [("ship", "routing", 1, "b")])])
def test_a_winner_is_shipped_only_where_the_plan_says_so(
    world: World, ship: str, asked: list[tuple[str | int, ...]]
) -> None:
    world.shelf.now = running(msgspec.structs.replace(PLAN, ship=ship))
    part = world.part()
    world.give(part, batches(0.8))
    part.step(0)
    assert world.shelf.asked == asked
    assert words(world) == [("judged", "ship")]


def test_a_registry_that_is_away_is_asked_again(world: World) -> None:
    part = world.part()
    world.give(part, HARMFUL[:100])
    world.shelf.failure = RegistryError("away")
    for batch in HARMFUL[100:]:
        part.take(batch)
    for _ in range(2):
        with pytest.raises(RegistryError, match="away"):
            part.step(0)
    world.shelf.failure = None
    part.step(0)
    assert world.shelf.asked == [("roll_back", "routing", 1, "b")]


def test_users_who_are_missing_stop_the_experiment_and_hide_it(world: World) -> None:
    part = world.part()
    world.give(part, batches(0.5, missing=0.5), steps=1)
    part.step(0)
    assert world.shelf.asked == [("stop", "routing", 1)]
    assert words(world) == [("alarm", "sample ratio mismatch")]
    (result,) = read_results(world.folder)
    assert (result.arms, result.looks) == ([], [])
    assert result.stopped is not None
    assert "so all results are hidden" in result.stopped
    assert part.status() == {"state": "no experiment is in force"}


@pytest.mark.parametrize("stored_after", [0, 300, 900])
def test_a_killed_learner_comes_to_the_same_result(tmp_path: Path, stored_after: int) -> None:
    """It is given its log again, and has its state of a while before it was killed."""
    through, broken = (World(tmp_path / name, Shelf()) for name in ("through", "broken"))
    for one in (through, broken):
        one.folder.mkdir()
    part = through.part()
    world_end = SAME[-1].event_time + 3 * 60 * MINUTE
    end = LearningBatch(event_time=world_end)
    for batch in [*SAME, end]:
        part.take(batch)
    through.now += 100
    part.step(0)

    first = broken.part()
    for number, batch in enumerate(SAME[:1_000]):
        first.take(batch)
        if number + 1 == stored_after:
            broken.now += 100
            first.step(0)
    second = broken.part()
    for batch in SAME[:1_000]:
        second.take(msgspec.structs.replace(batch, again=True))
    for batch in [*SAME[1_000:], end]:
        second.take(batch)
    broken.now += 100
    second.step(0)

    name = f"{FOLDER}/routing.1.json"
    assert (broken.folder / name).read_bytes() == (through.folder / name).read_bytes()
    assert (broken.folder / FILE).read_bytes() == (through.folder / FILE).read_bytes()
    (result,) = read_results(broken.folder)
    assert sum(arm.finished for arm in result.users.values()) == USERS
    assert result.arms[0].secondary["revenue"].control == pytest.approx(2.0)


def test_a_late_batch_is_counted_once_whenever_the_learner_is_killed(tmp_path: Path) -> None:
    """It has the event time of the batch before, with which it is one in the log."""
    on_time, late = SAME[0], msgspec.structs.replace(SAME[1], event_time=SAME[0].event_time)
    both = msgspec.structs.replace(
        on_time,
        again=True,
        outcomes=[*on_time.outcomes, *late.outcomes],
        sessions=[*on_time.sessions, *late.sessions],
    )
    for name, stored_after in (("nothing", 0), ("one", 1), ("both", 2)):
        world = World(tmp_path / name, Shelf())
        world.folder.mkdir()
        first = world.part()
        for batch in (on_time, late)[:stored_after]:
            first.take(batch)
        world.now += 100
        first.step(0)
        second = world.part()
        second.take(both)
        world.now += 100
        second.step(0)
        (result,) = read_results(world.folder)
        assert sum(arm.exposed for arm in result.users.values()) == 2, name


def test_an_arm_that_was_taken_back_by_hand_is_counted_no_further(world: World) -> None:
    part = world.part()
    world.give(part, SAME[:600])
    world.shelf.now = running(rolled_back=[ArmRollback(arm="b", at=2, why="a complaint")])
    world.give(part, SAME[600:])
    (result,) = read_results(world.folder)
    assert result.verdicts["b"].why == "the arm was taken back: a complaint"
    assert result.arms[0].primary.users < 600
    assert world.shelf.asked == []


def test_an_experiment_that_starts_later_and_ramps_up_goes_on(world: World) -> None:
    world.shelf.now = InForce()
    part = world.part()
    world.give(part, SAME[:100])
    assert read_results(world.folder) == []
    world.shelf.now = running()
    part.step(0)
    world.give(part, SAME[100:400])
    ramped = msgspec.structs.replace(PLAN, buckets=[[0, 5_000]], guardrails=[Guardrail(metric="fallback", margin=0.5)])
    world.shelf.now = running(ramped)
    part.step(0)
    world.give(part, SAME[400:])
    world.now += 10
    part.step(0)
    (result,) = read_results(world.folder)
    assert result.plan.buckets == [[0, 5_000]]
    assert 0 < result.arms[0].guards[0].users < result.arms[0].primary.users
    assert sum(arm.exposed for arm in result.users.values()) == USERS - 100
    world.shelf.now = running(msgspec.structs.replace(PLAN, version=2))
    world.now += 10
    part.step(0)
    old, new = read_results(world.folder)
    assert (old.stopped is None, new.stopped, new.begun_at) == (False, None, -1)


def test_a_model_that_cannot_be_shipped_holds_up_no_other_experiment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are tried in one turn, and again after minutes."""
    asked: list[str] = []

    def ship(experiment: str, version: int, arm: str, why: str) -> None:
        asked.append(experiment)
        raise ModelError("it cannot serve")

    monkeypatch.setattr(world.shelf, "ship", ship)
    plans = [msgspec.structs.replace(PLAN, name=name, ship="automatic") for name in ("routing", "other")]
    world.shelf.now = InForce(running=[running(plan).running[0] for plan in plans])
    part = world.part()
    for batch in batches(0.9):
        answers = [
            msgspec.structs.replace(
                one, assignments=[msgspec.structs.replace(one.assignments[0], experiment=plan.name) for plan in plans]
            )
            for one in batch.outcomes
        ]
        part.take(msgspec.structs.replace(batch, outcomes=answers))
    with pytest.raises(ModelError, match="it cannot serve"):
        part.step(0)
    part.step(0)
    assert asked == ["routing", "other"]


def test_the_last_result_stays_as_it_is_after_a_restart(world: World) -> None:
    """The state of a minute before the end must not write what was known then."""
    part = world.part()
    world.give(part, SAME[:100])
    world.give(part, SAME[100:200], steps=1_000)
    world.shelf.stop("routing", 1, "by hand")
    part.step(0)
    path = world.folder / FOLDER / "routing.1.json"
    last = path.read_bytes()
    (result,) = read_results(world.folder)
    assert (result.stopped, sum(arm.exposed for arm in result.users.values())) == ("by hand", 200)
    world.part().step(0)
    assert path.read_bytes() == last


def test_the_same_version_in_another_registry_begins_anew(world: World) -> None:
    """What was counted has other arms."""
    world.give(world.part(), SAME[:100])
    arms = [ArmPlan(name="a"), ArmPlan(name="c")]
    world.shelf.now = running(msgspec.structs.replace(PLAN, arms=arms))
    part = world.part()
    world.give(part, [msgspec.structs.replace(batch, again=True) for batch in SAME[:100]])
    world.now += 100
    part.step(0)
    (result,) = read_results(world.folder)
    assert (list(result.users), result.users["a"].exposed) == (["a", "c"], 0)


def test_an_experiment_ends_when_its_longest_duration_is_over(world: World) -> None:
    """In event time, when the last window has closed."""
    world.shelf.now = running(msgspec.structs.replace(PLAN, maximum="4h"))
    part = world.part()
    world.give(part, batches(0.8), steps=10)
    assert world.shelf.asked == [("stop", "routing", 1)]
    (result,) = read_results(world.folder)
    assert result.event_time < SAME[-1].event_time, "it is counted no further"
    assert sum(arm.finished for arm in result.users.values()) == 4 * 120
    assert result.stopped is not None
    assert "the longest duration of 4h is over" in result.stopped
    assert words(world) == [("judged", "ship"), ("judged", "ended")]
    assert world.kafka.sent[-1].arm == "a"


def test_a_winner_is_shipped_at_the_end_too(world: World) -> None:
    """The experiment is over when the learner sees it first."""
    world.shelf.now = running(msgspec.structs.replace(PLAN, maximum="4h", ship="automatic"))
    part = world.part()
    world.give(part, batches(0.8), steps=USERS)
    assert world.shelf.asked == [("ship", "routing", 1, "b")]


def again(some: Sequence[LearningBatch]) -> list[LearningBatch]:
    return [msgspec.structs.replace(batch, again=True) for batch in some]


@pytest.mark.parametrize("restart", [False, True])
def test_the_same_plan_that_is_started_again_elsewhere_begins_anew(
    world: World, caplog: pytest.LogCaptureFixture, *, restart: bool
) -> None:
    """The registry was wiped: nothing but the time of the start tells."""
    part = world.part()
    world.give(part, SAME[:100])
    world.shelf.now = running(started_at=2)
    if restart:
        part = world.part()
        world.give(part, again(SAME[:100]))
    part.step(0)
    world.give(part, SAME[100:200])
    world.pause(part)
    (result,) = read_results(world.folder)
    assert sum(arm.exposed for arm in result.users.values()) == 100
    assert "so its users are counted from the beginning" in caplog.text
    third = world.part()
    world.give(third, again(SAME[:200]))
    world.pause(third)
    assert read_results(world.folder) == [result], "the state is that of the new start"


def test_what_was_stopped_while_nobody_learned_is_counted_to_the_end_of_the_log(world: World) -> None:
    """The state is of a while before, and version 2 runs by now."""
    world.give(world.part(), SAME[:100])
    world.shelf.stop("routing", 1, "by hand")
    ended = world.shelf.now.ended
    plan = msgspec.structs.replace(PLAN, version=2)
    world.shelf.now = msgspec.structs.replace(running(plan), ended=ended)
    part = world.part()
    world.give(part, again(SAME[:200]), steps=USERS)
    world.give(part, SAME[200:300])
    world.pause(part)
    first, second = read_results(world.folder)
    assert (first.stopped, sum(arm.exposed for arm in first.users.values())) == ("by hand", 200)
    assert (second.stopped, second.plan.version) == (None, 2)


def test_a_result_whose_state_is_lost_says_that_the_experiment_has_ended(world: World) -> None:
    world.give(world.part(), SAME[:100])
    (before,) = read_results(world.folder)
    (world.folder / FILE).unlink()
    world.shelf.stop("routing", 1, "by hand")
    part = world.part()
    world.shelf.failure = RegistryError("away")
    with pytest.raises(StoreError, match="away"):
        part.step(0)
    assert read_results(world.folder) == [before]
    world.shelf.failure = None
    part.step(0)
    assert read_results(world.folder) == [msgspec.structs.replace(before, stopped="by hand")]


def test_what_follows_is_done_and_told_once_while_it_is_not_in_force_yet(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The registry is looked at twice a second, and there are more turns; first it cannot be written."""
    plan = msgspec.structs.replace(PLAN, maximum="4h")
    world.shelf.now = seen = running(plan)
    monkeypatch.setattr(world.shelf, "in_force", lambda: seen)
    part = world.part()
    for batch in HARMFUL:
        part.take(batch)
    world.shelf.failure = RegistryError("it cannot be written")
    for _ in range(5):
        with pytest.raises(RegistryError, match="it cannot be written"):
            part.step(0)
    assert (world.shelf.asked, words(world)) == ([], [("rolled_back", "harm")])
    world.shelf.failure = None
    for _ in range(5):
        world.now += 1
        part.step(0)
    assert world.shelf.asked == [("roll_back", "routing", 1, "b"), ("stop", "routing", 1)]
    assert words(world) == [("rolled_back", "harm"), ("judged", "ended")]
    assert caplog.text.count("ends: the longest duration of 4h is over") == 1
    seen = running(plan, started_at=2)
    part.step(0)
    world.give(part, HARMFUL, steps=USERS)
    assert len(world.shelf.asked) == 4, "another start of it is another experiment"


def test_an_experiment_whose_winner_cannot_serve_ends_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when it was tried once more; the reason stands in the registry."""
    tried: list[str] = []

    def ship(experiment: str, version: int, arm: str, why: str) -> None:
        tried.append(arm)
        raise ModelError("m-2 cannot serve")

    monkeypatch.setattr(world.shelf, "ship", ship)
    world.shelf.now = running(msgspec.structs.replace(PLAN, maximum="10h", ship="automatic"))
    part = world.part()
    better = batches(0.8)
    for batch in better:
        part.take(batch)
    with pytest.raises(ModelError, match="m-2 cannot serve"):
        part.step(0)
    part.take(LearningBatch(event_time=better[-1].event_time + 24 * 60 * MINUTE))
    part.step(0)
    assert (tried, world.shelf.asked) == (["b"], []), "it is not tried at every turn"
    world.now += 400
    with pytest.raises(ModelError, match="m-2 cannot serve"):
        part.step(0)
    assert (tried, world.shelf.asked) == (["b", "b"], [("stop", "routing", 1)])
    (ended,) = world.shelf.now.ended
    assert ended.why.endswith("(b: ship); b could not be promoted: m-2 cannot serve")
    part.step(0)
    assert words(world) == [("judged", "ship"), ("judged", "ended")]


def test_an_arm_that_harms_is_taken_back_though_no_result_can_be_written(world: World) -> None:
    """Neither its own, nor that of an experiment that has ended before it was started."""
    world.shelf.now = InForce(running=[*running().running, *running(msgspec.structs.replace(PLAN, name="old")).running])
    part = world.part()
    world.give(part, [LearningBatch(event_time=T)], steps=1)
    (world.folder / FOLDER / "old.1.json").unlink()
    (world.folder / FOLDER / "routing.1.json").unlink()
    (world.folder / FOLDER).rmdir()
    (world.folder / FOLDER).write_text("not a folder")
    world.shelf.now = running(msgspec.structs.replace(PLAN, version=2))
    for batch in HARMFUL:
        answers = [
            msgspec.structs.replace(one, assignments=[msgspec.structs.replace(one.assignments[0], version=2)])
            for one in batch.outcomes
        ]
        part.take(msgspec.structs.replace(batch, outcomes=answers))
        if part.status() == {"state": "no experiment is in force"} or batch is HARMFUL[0]:
            with pytest.raises(StoreError, match="cannot be written"):
                part.step(0)
    with pytest.raises(StoreError, match="cannot be written"):
        part.step(0)
    assert world.shelf.asked == [("roll_back", "routing", 2, "b")]


def test_old_results_that_cannot_be_removed_do_not_end_the_learner(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody removes one meanwhile, or may not remove it."""
    monkeypatch.setattr("mos_online.learning.kept_results.MOST_KEPT", 1)
    part = world.part()
    world.give(part, SAME[:100])
    (world.folder / FOLDER / "gone.1.json").symlink_to("nowhere")
    (world.folder / FOLDER / "old.1.json").mkdir()
    world.shelf.stop("routing", 1, "by hand")
    part.step(0)
    part.step(0)
    assert part.status() == {"state": "no experiment is in force"}
    assert (world.folder / FILE).exists()


@pytest.mark.parametrize(("started_at", "hours"), [(1, 10), (T + 3 * 60 * MINUTE, 13)])
def test_an_experiment_that_nobody_enters_ends_too(world: World, started_at: int, hours: int) -> None:
    """Event time counts from its first batch; after an outage of the learner that is before its start."""
    world.shelf.now = running(msgspec.structs.replace(PLAN, maximum="10h"), started_at=started_at)
    part = world.part()
    settled = T + hours * 60 * MINUTE + max(FEEDBACK, GAP) + MINUTE
    for event_time in (T, settled - 1):
        part.take(LearningBatch(event_time=event_time))
        world.pause(part)
    assert world.shelf.asked == []
    part = world.part()
    part.take(LearningBatch(event_time=settled))
    world.pause(part)
    part.step(0)
    assert world.shelf.asked == [("stop", "routing", 1)]
    assert "and nobody was exposed" in world.shelf.now.ended[0].why
    assert words(world)[-1] == ("judged", "ended")


def known(one: Session) -> Cell:
    """A session as the learner keeps it."""
    at, ids = one.watermark, (one.user_id, one.session_id)
    return Cell(at + 1_000, [Known(at, 0, ids, Source("sessions", 0), 0, 0, msgspec.json.encode(one), one)])


def test_what_users_did_before_is_not_counted_twice_by_another_rule(world: World) -> None:
    """It is started while the learner waits for Kafka; the first turn is in the log before the parts are given it."""
    log = LearningLog(world.folder / "log", days=30, megabytes=100)
    log.append([known(session(0, "u0", [T], bought=2.0))], {})
    part = world.part()
    for cell in log.cells():
        part.take(msgspec.structs.replace(cell.batch(), again=True))
    plan = msgspec.structs.replace(PLAN, name="other")
    other = Running(layer="home", plan=plan, started_at=2, models={}, conversions=["view"])
    world.shelf.now = InForce(running=[*world.shelf.now.running, other], value="price")
    new = [known(session(number, "u0", [T + number * MINUTE], bought=2.0)) for number in (1, 2)]
    log.append(new, {})
    for cell in new:
        part.take(cell.batch())
    at = T + 30 * MINUTE
    for name in ("routing", "other"):
        answer = outcome(9, "u0", at)
        mine = [msgspec.structs.replace(answer.assignments[0], experiment=name)]
        part.take(LearningBatch(outcomes=[msgspec.structs.replace(answer, assignments=mine)], event_time=at + FEEDBACK))
    world.pause(part)
    trials = msgspec.json.decode((world.folder / FILE).read_bytes(), type=Stored).trials
    assert [one.state.users.open[0].before.sessions for one in trials] == [3, 3]
