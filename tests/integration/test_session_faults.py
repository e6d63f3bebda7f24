"""Apache Kafka and real workers under faults: what is published equals the offline oracle, every time.

``make soak`` runs the same for as long as one likes.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import DeadLetter, Session
from mos_online.processes import living
from streams.broker.apache import ApacheBroker
from tests.integration.stream_system import StreamSystem, stop, stream_system
from tests.integration.traffic import Expected, Traffic
from tests.published_model import publish_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

Port = Callable[[], int]
RULES = {"MOS_SESSION_GAP": "60", "MOS_SESSION_LATENESS": "2", "MOS_SESSION_MAX_EVENTS": "20"}


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int], range]:
    """``rounds(n)``: repeat a fault so often; with ``--soak=50`` fifty times as often."""
    return lambda number: range(number * int(request.config.getoption("--soak")))


def kill(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def test_a_worker_that_is_killed_again_and_again(
    tmp_path: Path, free_port: Port, kafka: ApacheBroker, rounds: Callable[[int], range]
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **RULES) as system:
        chance = random.Random(1)
        with Traffic(system) as traffic:
            for _ in rounds(4):
                worker = system.mos("worker", "--only", "sessionizer")
                time.sleep(chance.uniform(3, 9))  # sometimes before it has restored anything
                kill(worker)
        system.worker("sessionizer")
        traffic.finish()
        Expected(system).check(system)


def test_a_second_worker_that_comes_and_goes(
    tmp_path: Path, free_port: Port, kafka: ApacheBroker, rounds: Callable[[int], range]
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **RULES) as system:
        first = system.worker("sessionizer")
        with Traffic(system) as traffic:
            for number in rounds(2):
                second = system.worker("sessionizer", port=free_port())
                time.sleep(3)
                if number % 2:
                    kill(second)
                else:
                    assert stop(second) == 0
        traffic.finish()
        Expected(system).check(system)
        assert stop(first) == 0


@pytest.mark.parametrize("how", ["pause", "kill"])
def test_a_broker_that_goes_away_from_two_workers(
    tmp_path: Path, free_port: Port, own_kafka: Callable[..., ApacheBroker], rounds: Callable[[int], range], how: str
) -> None:
    broker = own_kafka()
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=broker.bootstrap, **RULES) as system:
        workers = [system.worker("sessionizer"), system.worker("sessionizer", port=free_port())]
        with Traffic(system) as traffic:
            for _ in rounds(1):
                time.sleep(3)
                if how == "kill":
                    broker.kill()
                    time.sleep(4)
                    broker.start()
                else:
                    found = psutil.Process().children(recursive=True)
                    (java,) = living(found, lambda p: p.name() == "java" and p.cwd() == str(broker.folder))
                    java.suspend()
                    time.sleep(15)  # longer than the session of a member of the group
                    java.resume()
                time.sleep(3)
        traffic.finish()
        Expected(system).check(system)
        assert [stop(worker) for worker in workers] == [0, 0]


def test_a_store_that_goes_away_and_a_killed_profiler_count_every_session_once(
    tmp_path: Path, free_port: Port, kafka: ApacheBroker, redis_server: Any, rounds: Callable[[int], range]
) -> None:
    variables = {"MOS_KAFKA": kafka.bootstrap, "MOS_STORE": redis_server.url, **RULES}
    with stream_system(tmp_path / "mos", free_port(), **variables) as system:
        publish_model(tmp_path / "model", system.settings)
        worker = system.worker("sessionizer,profiler")
        with Traffic(system) as traffic:
            for _ in rounds(1):
                time.sleep(2)
                redis_server.stop()
                time.sleep(4)
                redis_server.start()
                time.sleep(2)
                kill(worker)
                worker = system.worker("sessionizer,profiler")
        traffic.finish()
        expected = Expected(system)
        expected.check(system)
        store = OnlineStore.open(system.settings)
        users = list(expected.users)

        def counted() -> dict[str, int]:
            return {user: profile.session_count for user, profile in store.read_profiles(users).items()}

        system.until(lambda: sum(counted().values()) >= sum(expected.users.values()), "all profiles are written")
        assert counted() == dict(expected.users)
        assert stop(worker) == 0


def test_a_record_on_which_the_profiler_breaks_is_kept_and_the_stream_goes_on(
    tmp_path: Path, free_port: Port, kafka: ApacheBroker
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap) as system:
        publish_model(tmp_path / "model", system.settings)
        system.worker("profiler")
        poison = b'{"session_id":"u:1:e","user_id":"u","started_at":1,"ended_at":1,"events":[],"close_reason":"gap",'
        poison += b'"watermark":%d}' % 10**17  # in the year 3 million
        good = [_session(number) for number in range(20)]
        system.send(contracts.SESSIONS, [*good[:10], ("u", poison), *good[10:]])
        system.until(lambda: len(system.records(contracts.SESSION_EMBEDDINGS)) >= len(good), "the others are there")
        (letter,) = (
            msgspec.json.decode(r.value or b"", type=DeadLetter) for r in system.records(contracts.DEAD_LETTERS)
        )
        assert (letter.topic, letter.raw) == (system.settings.topic(contracts.SESSIONS), poison)


def _session(number: int) -> tuple[str, bytes]:
    event = contracts.SessionEvent(event_id=f"e{number}", item_id="a", timestamp=10**12 + number)
    session = Session(
        session_id=f"u:{event.timestamp}:{event.event_id}",
        user_id="u",
        started_at=event.timestamp,
        ended_at=event.timestamp,
        events=[event],
        close_reason="gap",
        watermark=event.timestamp + 1,
    )
    return "u", contracts.encode(session)


def test_one_kafka_serves_namespaces_that_do_not_see_each_other(
    tmp_path: Path, free_port: Port, kafka: ApacheBroker
) -> None:
    def run(name: str) -> StreamSystem:
        with stream_system(tmp_path / name, free_port(), MOS_KAFKA=kafka.bootstrap, **RULES) as system:
            system.worker("sessionizer")
            with Traffic(system, seed=len(name)) as traffic:
                time.sleep(2)
            traffic.finish()
            assert Expected(system).check(system) == 0
            return system

    run("one")
    run("other")
