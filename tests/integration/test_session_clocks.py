"""Producers whose clocks are wrong, on both brokers, with live data: they move nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from mos_online import contracts
from mos_online.contracts import Click, DeadLetter, Heartbeat, Session
from mos_online.kafka_config import librdkafka_config
from tests.integration.stream_system import StreamSystem, stream_system

pytestmark = pytest.mark.slow

MINUTE = 60_000
RULES = {"MOS_SESSION_GAP": "2", "MOS_SESSION_LATENESS": "1", "MOS_SESSION_IDLE_TIMEOUT": "1"}


def clock() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(name="system", params=["embedded", "apache", "apache-create-time"])
def a_system(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[StreamSystem]:
    """On the embedded broker, and on Apache Kafka with the broker's time and with the producers' times."""
    variables = dict(RULES)
    if request.param != "embedded":
        variables["MOS_KAFKA"] = request.getfixturevalue("kafka").bootstrap
    with ExitStack() as stack:
        system = stack.enter_context(stream_system(tmp_path / "mos", free_port(), **variables))
        if request.param == "apache-create-time":
            topic = ConfigResource(ConfigResource.Type.TOPIC, system.settings.topic(contracts.CLICKS))
            entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
            topic.add_incremental_config(entry)
            admin = AdminClient(librdkafka_config(system.settings))
            admin.incremental_alter_configs([topic])[topic].result(30)
        yield system


def click(user: str, number: int, timestamp: int) -> tuple[str, bytes]:
    return user, contracts.encode(Click(event_id=f"{user}-{number}", user_id=user, item_id="i", timestamp=timestamp))


def sessions(system: StreamSystem) -> dict[str, list[str]]:
    """The event ids of each user, in the order in which their sessions were published; repeats are identical."""
    seen: dict[str, bytes] = {}
    for record in system.records(contracts.SESSIONS):
        name = msgspec.json.decode(record.value or b"", type=Session).session_id
        assert seen.setdefault(name, record.value or b"") == record.value, "a repeat differs"
    found: dict[str, list[str]] = {}
    for value in seen.values():
        session = msgspec.json.decode(value, type=Session)
        found.setdefault(session.user_id, []).extend(event.event_id for event in session.events)
    return found


def test_a_producer_whose_clock_is_ahead_moves_nothing_under_live_traffic(system: StreamSystem) -> None:
    """Its event and its record say the same wrong time, 40 minutes ahead; others are half a minute ahead."""
    system.worker("sessionizer")
    users = [f"u{number}" for number in range(20)]
    for number in range(40):
        now = clock()
        system.send(contracts.CLICKS, [click(user, number, now) for user in users])
        wrong = now + 40 * MINUTE
        system.send(contracts.CLICKS, [click(f"w{number % 6}", number, wrong)], timestamp=wrong)
        ahead = now + MINUTE // 2
        system.send(contracts.CLICKS, [click(f"a{number % 6}", number, ahead)], timestamp=ahead)
        time.sleep(0.05)
    good = {user: [f"{user}-{number}" for number in range(40)] for user in users}
    system.until(lambda: sessions(system).keys() >= good.keys(), "the sessions of the others are closed")
    found = sessions(system)
    assert {user: found[user] for user in users} == good
    assert system.records(contracts.LATE_EVENTS) == []
    system.until(lambda: len(system.records(contracts.DEAD_LETTERS)) >= 40, "the wrong clicks are dead letters")
    letters = [msgspec.json.decode(r.value or b"", type=DeadLetter) for r in system.records(contracts.DEAD_LETTERS)]
    assert {letter.reason for letter in letters} == {"future_timestamp"}
    assert not any(user.startswith("w") for user in found)


def test_a_log_with_its_original_timestamps_is_not_cut_by_its_pauses(system: StreamSystem) -> None:
    """Mirrored or restored: event and record say the same old time, and the log comes with pauses."""
    system.worker("sessionizer")
    users = [f"u{number}" for number in range(10)]
    old = clock() - 90 * 24 * 60 * MINUTE
    for number in range(6):
        for user in users:
            system.send(contracts.CLICKS, [click(user, number, old)], timestamp=old)
            old += 50
        time.sleep(2)  # longer than the idle timeout
    system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=old + MINUTE)), timestamp=old)
    whole = {user: [f"{user}-{number}" for number in range(6)] for user in users}
    system.until(lambda: len(sessions(system)) == len(whole), "all sessions are closed")
    assert sessions(system) == whole
    assert len(system.records(contracts.SESSIONS)) == len(whole)
    assert system.records(contracts.LATE_EVENTS) == []


def test_what_the_wall_clock_closed_before_a_kill_is_not_published_again_otherwise(system: StreamSystem) -> None:
    """The wall clock has closed a session; a record that comes late and a killed worker do not change it."""
    worker = system.worker("sessionizer")
    now = clock()
    system.send(contracts.CLICKS, [click("u", 0, now)])
    system.until(lambda: len(system.records(contracts.SESSIONS)) == 1, "the wall clock closes the session")
    worker.kill()
    worker.wait()
    system.send(contracts.CLICKS, [click("u", 1, now + 500)])  # it would belong to the session
    system.worker("sessionizer")
    system.until(lambda: len(system.records(contracts.LATE_EVENTS)) == 1, "the record is late")
    assert sessions(system) == {"u": ["u-0"]}
