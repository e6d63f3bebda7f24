"""The learner on a broker inside this process: order, restarts, repeats, what it does without Kafka."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx
import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from learning.learner import Learner
from learning.run import LearnerRun
from learning.status import read_status
from mos_online.contracts import Outcome, Session, encode
from mos_online.errors import MosError, RegistryError
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.settings import Settings
from streams.broker.librdkafka import MockCluster
from tests.learning.records import outcome, session

PARTITIONS = 2


class Recording:
    """A part that remembers what it was given."""

    def __init__(
        self, name: str = "recording", *, horizon: int = 0, failure: MosError | None = None, alarm: Alarm | None = None
    ) -> None:
        self.name = name
        self.horizon = horizon
        self.taken: list[LearningBatch] = []
        self.heard: list[Alarm] = []
        self.steps = 0
        self.failure = failure
        self._alarm = alarm

    def take(self, batch: LearningBatch) -> None:
        self.taken.append(batch)

    def step(self, event_time: int) -> Sequence[Alarm]:
        self.steps += 1
        if self.failure is not None:
            raise self.failure
        alarm, self._alarm = self._alarm, None
        return [alarm] if alarm else []

    def hear(self, alarm: Alarm) -> None:
        self.heard.append(alarm)

    def status(self) -> Mapping[str, object]:
        return {"batches": len(self.taken)}

    @property
    def records(self) -> list[Session | Outcome]:
        made: list[Session | Outcome] = []
        for batch in self.taken:
            made += [*batch.sessions, *batch.outcomes]
        return made


@pytest.fixture
def cluster(mos_home: Settings, free_port: Callable[[], int]) -> Iterator[Settings]:
    broker = MockCluster()
    broker.create_topics(["sessions", "outcomes"], partitions=PARTITIONS)
    yield mos_home.model_copy(
        update={
            "kafka": broker.bootstrap,
            "session_idle_timeout": 0.01,
            "feedback_window": 1.0,
            "learn_port": free_port(),
        }
    )
    broker.close()


def publish(settings: Settings, records: Sequence[Session | Outcome]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka})
    for record in records:
        topic = "sessions" if isinstance(record, Session) else "outcomes"
        producer.produce(
            topic, encode(record), key=record.user_id.encode(), partition=int(record.user_id[1:]) % PARTITIONS
        )
    producer.flush()


def traffic(begin: int, end: int) -> list[Session | Outcome]:
    made: list[Session | Outcome] = []
    for number in range(begin, end):
        made.append(session(f"u{number % 3}", number, closed_at=10_000 + 700 * number))
        made.append(outcome(f"r{number}", f"u{number % 5}", closed_at=10_000 + 900 * number))
    return made


def catch_up(learner: Learner, part: Recording, count: int) -> None:
    """Turn until so many records have been taken."""
    while len(part.records) < count:
        learner.turn(0.05)


def by_ids(records: Sequence[Session | Outcome]) -> list[str]:
    return sorted(one.session_id if isinstance(one, Session) else one.request_id for one in records)


def test_two_learners_with_other_pauses_are_given_the_same(
    cluster: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sent = traffic(0, 30)
    parts = []
    publish(cluster, sent)
    for name in "ab":
        home = cluster.model_copy(update={"home": tmp_path_factory.mktemp(name)})
        parts.append(part := Recording())
        learner = Learner(home, [part], check=lambda: None)
        catch_up(learner, part, len(sent))
        learner.close()
    assert parts[0].taken == parts[1].taken
    assert by_ids(parts[0].records) == by_ids(sent)


def test_a_restart_goes_on_and_gives_the_horizon_again(cluster: Settings) -> None:
    before, after = traffic(0, 20), traffic(20, 40)
    publish(cluster, before)
    first = Recording()
    learner = Learner(cluster, [first], check=lambda: None)
    catch_up(learner, first, len(before))
    learner.intake.reader.close()  # killed: nothing else is done
    publish(cluster, [*before[-6:], *after])  # what the worker publishes again, too
    whole, part, none = Recording("whole", horizon=10**9), Recording("part", horizon=3000), Recording("none")
    learner = Learner(cluster, [whole, part, none], check=lambda: None)
    assert whole.taken == [replace(batch, again=True) for batch in first.taken]
    assert part.taken == [batch for batch in whole.taken if batch.event_time > first.taken[-1].event_time - 3000]
    assert not none.taken
    catch_up(learner, none, len(after))
    assert by_ids(none.records) == by_ids(after)
    assert learner.intake.counts["repeated"] == 6
    times = [batch.event_time for batch in whole.taken]
    assert times == sorted(times)
    learner.close()


@pytest.mark.parametrize("more", [2, 40])
def test_a_topic_that_was_made_again_is_read_from_its_start(
    cluster: Settings, more: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it has outgrown the place where reading would go on."""
    first = Recording()
    publish(cluster, old := traffic(0, 10))
    learner = Learner(cluster, [first], check=lambda: None)
    catch_up(learner, first, len(old))
    learner.close()
    other = MockCluster()
    other.create_topics(["sessions", "outcomes"], partitions=PARTITIONS)
    moved = cluster.model_copy(update={"kafka": other.bootstrap})
    publish(moved, new := traffic(10, 10 + more))
    for again in (1, 2):
        part = Recording(horizon=1 << 60)
        learner = Learner(moved, [part], check=lambda: None)
        before = len(part.records)
        assert before == len(old) + (again - 1) * len(new)
        catch_up(learner, part, len(old) + len(new))
        while not learner.caught_up:
            learner.turn(0.05)
        assert by_ids(part.records) == by_ids([*old, *new])
        learner.close()
    assert sum("start" in line for line in caplog.messages) == 2 * PARTITIONS, "once, and not again after a restart"
    other.close()


def test_what_cannot_be_used_is_counted_and_holds_nothing_up(cluster: Settings) -> None:
    producer = Producer({"bootstrap.servers": cluster.kafka})
    producer.produce("sessions", b"{", partition=0)
    producer.produce("sessions", None, partition=1)
    producer.produce("outcomes", encode(outcome("r", "u0", closed_at=2**52)), partition=0)
    producer.flush()
    publish(cluster, traffic(0, 4))
    part = Recording()
    learner = Learner(cluster, [part], check=lambda: None)
    catch_up(learner, part, 8)
    assert learner.intake.counts["refused"] == 3
    learner.close()


def test_a_part_that_fails_is_told_and_the_others_go_on(cluster: Settings) -> None:
    alarm = Alarm(trigger="fine-tune", event_time=5, why="clicks doubled")
    failing, other = Recording(failure=MosError("no room")), Recording("other", alarm=alarm)
    learner = Learner(cluster, [failing, other], check=lambda: None)
    learner.turn(0.0)
    learner.write_status()
    status = read_status(cluster.learning_dir)
    assert status is not None
    assert status.parts["recording"] == {"batches": 0, "failure": "no room"}
    assert (failing.heard, other.heard) == ([alarm], [alarm])
    failing.failure = None
    learner.turn(0.0)
    assert not learner.failures
    learner.close()


def test_a_learner_that_lost_its_claim_publishes_nothing(cluster: Settings) -> None:
    publish(cluster, traffic(0, 3))
    part = Recording()

    def lost() -> None:
        raise RegistryError("the claim is lost")

    learner = Learner(cluster, [part], check=lost)
    with pytest.raises(RegistryError):
        catch_up(learner, part, 6)
    assert (part.steps, part.taken) == (0, [])
    learner.close()


@pytest.mark.parametrize("away", ["embedded broker is not running", "the registry is away"])
def test_it_waits_answers_probes_and_stops_in_order(
    mos_home: Settings, free_port: Callable[[], int], away: str
) -> None:
    waiting = mos_home.model_copy(update={"learn_port": free_port()})  # the embedded broker does not run

    def parts(*_: object) -> list[Recording]:
        if "registry" in away:
            raise RegistryError(away)
        return [Recording()]

    run = LearnerRun(waiting, parts)
    answers: list[httpx.Response] = []

    def probe() -> None:
        while not answers:
            try:
                found = httpx.get(f"http://127.0.0.1:{waiting.learn_port}/readyz")
            except httpx.HTTPError:
                time.sleep(0.01)
                continue
            if away in found.text:
                answers.extend([found, httpx.get(f"http://127.0.0.1:{waiting.learn_port}/healthz")])
        signal.raise_signal(signal.SIGTERM)

    asking = threading.Thread(target=probe)
    asking.start()
    assert run.run() == signal.SIGTERM
    asking.join()
    assert [one.status_code for one in answers] == [503, 200]


def test_it_waits_for_a_registry_that_is_away_at_its_start(cluster: Settings) -> None:
    """Its folder is a file, as a volume that is not mounted may be; then the folder is there."""
    place = cluster.home / "registry"
    place.parent.mkdir(exist_ok=True)
    place.write_text("")
    settings, part = cluster.model_copy(update={"models": str(place / "models")}), Recording()
    run = LearnerRun(settings, lambda *_: [part])

    def mount() -> None:
        while str(place) not in str(run._trouble):
            time.sleep(0.01)
        place.unlink()

    publish(cluster, traffic(0, 3))
    mounting = threading.Thread(target=mount)
    mounting.start()
    assert run.run(finished=lambda: True) is None
    mounting.join()
    assert by_ids(part.records) == by_ids(traffic(0, 3))


def test_it_catches_up_where_records_go_on_coming(cluster: Settings) -> None:
    publish(cluster, traffic(0, 3))
    learner, number = Learner(cluster, [Recording()], check=lambda: None), 3
    while not learner.caught_up:
        publish(cluster, traffic(number, number + 1))
        learner.turn(0.05)
        number += 1
    assert learner.intake.reader.caught_up
    learner.close()


def test_there_is_one_learner_to_a_home(cluster: Settings) -> None:
    first = LearnerRun(cluster, lambda *_: [part])
    seen: list[object] = []
    steps: list[int] = []

    class Nosy(Recording):
        def step(self, event_time: int) -> Sequence[Alarm]:
            if not seen:
                with pytest.raises(MosError, match="`mos learn` already runs") as caught:
                    LearnerRun(cluster, lambda *_: []).run()
                seen.append(caught)
            return super().step(event_time)

    def finished() -> bool:
        steps.append(part.steps)
        return True

    part = Nosy()
    publish(cluster, traffic(0, 3))
    assert first.run(finished=finished) is None
    assert seen
    assert part.steps > steps[-1], "it may publish what it has learned last"
    assert by_ids(part.records) == by_ids(traffic(0, 3))
    status = read_status(cluster.learning_dir)
    assert status is not None
    assert not status.running
