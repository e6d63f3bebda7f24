"""A broker that comes late, goes away under live data, or has grown: the worker waits, says so, and goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat
from mos_online.kafka_config import librdkafka_config
from streams.broker.apache import ApacheBroker
from streams.kafka.admin import topic_states
from tests.integration.live_traffic import LiveTraffic, closed
from tests.integration.stream_system import PARTITIONS, StreamSystem, stop, stream_system

pytestmark = pytest.mark.slow

OwnKafka = Callable[..., ApacheBroker]
LIVE = {"MOS_SESSION_GAP": "2", "MOS_SESSION_LATENESS": "1", "MOS_SESSION_IDLE_TIMEOUT": "1"}
WELL = '{"program":"worker","status":"alive","details":[]}\n'
OUTAGE = 12.0
"""Seconds: longer than the worker's session with its group coordinator, and than one call of a client waits."""


def answer(system: StreamSystem, path: str) -> tuple[int, str]:
    try:
        found = system.get(path)
    except httpx.HTTPError:
        return 0, ""
    return found.status_code, found.text


def a_click_becomes_a_session(system: StreamSystem) -> None:
    click = Click(event_id="e", user_id="u", item_id="i", timestamp=1_600_000_000_000)
    system.send(contracts.CLICKS, [("u", contracts.encode(click))])
    system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=1_700_000_000_000)))
    system.until(lambda: closed(system).keys() == {"e"}, "the session is closed")


def test_a_worker_that_starts_before_its_broker_and_its_topics(
    tmp_path: Path, free_port: Callable[[], int], own_kafka: OwnKafka
) -> None:
    port = free_port()
    system = StreamSystem(tmp_path / "mos", free_port(), {"MOS_KAFKA": f"127.0.0.1:{port}"})
    try:
        worker = system.mos("worker", "--only", "sessionizer")
        system.until(lambda: "waits for Kafka: cannot reach Kafka" in answer(system, "/healthz")[1], "it waits")
        assert answer(system, "/healthz")[0] == 200
        assert answer(system, "/readyz")[0] == 503
        own_kafka(port=port)
        system.until(lambda: "waits for Kafka: there is no topic" in answer(system, "/healthz")[1], "it looks again")
        assert worker.poll() is None
        assert system.ended(system.mos("topics", "create")) == 0
        system.until(lambda: answer(system, "/readyz")[0] == 200, "it is ready")
        a_click_becomes_a_session(system)
        assert answer(system, "/healthz") == (200, WELL)
        assert stop(worker) == 0
    finally:
        system.close()


@pytest.mark.parametrize("kafka_at", ["a port where nothing listens", "embedded"])
def test_a_worker_that_waits_for_its_broker_can_be_stopped(
    tmp_path: Path, free_port: Callable[[], int], kafka_at: str
) -> None:
    address = "embedded" if kafka_at == "embedded" else f"127.0.0.1:{free_port()}"
    system = StreamSystem(tmp_path / "mos", free_port(), {"MOS_KAFKA": address})
    try:
        worker = system.mos("worker", "--only", "sessionizer")
        system.until(lambda: "waits for Kafka" in answer(system, "/healthz")[1], "it waits")
        assert stop(worker) == 0
    finally:
        system.close()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_broker_that_goes_away_under_live_data(
    tmp_path: Path, free_port: Callable[[], int], own_kafka: OwnKafka, how: str
) -> None:
    broker = own_kafka()
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=broker.bootstrap, **LIVE) as system:
        worker = system.worker("sessionizer")
        with LiveTraffic(system) as traffic:
            system.until(lambda: len(closed(system)) > 0, "sessions close")
            broker.kill() if how == "kill" else broker.stop()
            begun = time.monotonic()
            system.until(lambda: "waits for Kafka" in answer(system, "/healthz")[1], "it notices")
            time.sleep(max(0.0, OUTAGE - (time.monotonic() - begun)))
            assert answer(system, "/healthz")[0] == 200
            if how == "stop":
                assert stop(worker) == 0
                worker = system.mos("worker", "--only", "sessionizer")
            broker.start()
            system.until(lambda: answer(system, "/readyz")[0] == 200, "it is well again")
            known = len(closed(system))
            system.until(lambda: len(closed(system)) > known, "sessions close again")
        traffic.check()
        system.until(lambda: system.metric("mos_consumer_lag_records") == 0, "everything is committed")
        assert answer(system, "/healthz") == (200, WELL)
        assert stop(worker) == 0


def test_clicks_that_get_more_partitions_under_a_running_worker(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **LIVE) as system:
        worker = system.worker("sessionizer")
        with LiveTraffic(system, users=40) as traffic:
            system.until(lambda: len(closed(system)) > 0, "sessions close")
            grow(system, PARTITIONS + 2)
            system.until(lambda: partitions_with(system, contracts.SESSIONS) == {3, 4}, "new partitions have sessions")
            assert worker.poll() is None
            assert stop(worker) == 0
            worker = system.worker("sessionizer")
        traffic.check()
        system.until(lambda: partitions_with(system, "sessionizer-checkpoints") == {3, 4}, "they have checkpoints")
        system.until(lambda: system.metric("mos_consumer_lag_records") == 0, "everything is committed")
        assert answer(system, "/healthz") == (200, WELL)
        counts = {state.name: state.partitions for state in topic_states(system.settings)}
        assert set(counts.values()) - {counts[system.settings.topic(contracts.DEAD_LETTERS)]} == {PARTITIONS + 2}
        assert stop(worker) == 0


def grow(system: StreamSystem, partitions: int) -> None:
    """As an operator does, with the tools of Kafka: only ``clicks``."""
    admin = AdminClient(librdkafka_config(system.settings))
    name = system.settings.topic(contracts.CLICKS)
    admin.create_partitions([NewPartitions(name, partitions)])[name].result()
    system.partitions = partitions


def partitions_with(system: StreamSystem, topic: str) -> set[int]:
    """The new partitions of a topic that have records."""
    if {s.name: s.partitions for s in topic_states(system.settings)}[system.settings.topic(topic)] <= PARTITIONS:
        return set()
    return {record.partition for record in system.records(topic) if record.partition >= PARTITIONS}


def test_a_replay_and_a_tail_wait_for_a_broker_that_is_killed(
    tmp_path: Path, free_port: Callable[[], int], own_kafka: OwnKafka
) -> None:
    broker = own_kafka()
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=broker.bootstrap) as system:
        tail = system.mos("topics", "tail", "clicks", "--json", "--from-beginning")
        replay = system.mos("replay", "--speed", "50/s", "--events", "400", "--from", "0.5")

        def tailed() -> int:
            return system.log("topics").count('"event_id"')

        system.until(lambda: tailed() > 20, "clicks come")
        broker.kill()
        for name in ("topics", "replay"):
            system.until(partial(_says, system, name, "waiting for Kafka"), f"{name} waits")
        broker.start()
        assert system.ended(replay) == 0, system.log("replay")
        system.until(lambda: tailed() == 400, "all clicks are there")
        assert stop(tail, signal.SIGINT) == 130
        for name in ("topics", "replay"):
            assert "Kafka is back" in system.log(name)
            assert "Traceback" not in system.log(name)


def _says(system: StreamSystem, name: str, words: str) -> bool:
    return words in system.log(name)
