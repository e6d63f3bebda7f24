"""The promises about sessions with clicks of this very moment, on Apache Kafka, while workers are killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, Session
from mos_online.errors import ContractError
from mos_online.kafka_config import librdkafka_config
from streams.broker.apache import ApacheBroker
from streams.kafka.headers import closable_at
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record
from tests.integration.live_traffic import LiveTraffic
from tests.integration.stream_system import PARTITIONS, StreamSystem, stream_system
from tests.integration.traffic import Expected, Traffic, clock

pytestmark = pytest.mark.slow

RULES = {
    "MOS_SESSION_GAP": "1",
    "MOS_SESSION_LATENESS": "2",
    "MOS_SESSION_MAX_EVENTS": "20",
    "MOS_SESSION_IDLE_TIMEOUT": "600",  # on a busy machine the traffic may pause; what the wall clock does is not here
}
OTHERS = [
    {"MOS_SESSION_GAP": "4"},
    {"MOS_SESSION_MAX_EVENTS": "5"},
    {"MOS_SESSION_PUBLISHER_IDS": "true"},
    {"MOS_SESSION_PUBLISHER_IDS": "false", "MOS_SESSION_GAP": "1"},
]


def test_live_sessions_are_those_of_the_oracle_through_kills(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **RULES) as system:
        with Traffic(system, users=600, live=True) as traffic:
            for seconds in (4, 7):
                worker = system.worker("sessionizer")
                time.sleep(seconds)
                worker.kill()
                worker.wait()
        worker = system.worker("sessionizer")
        traffic.finish()
        expected = Expected(system)
        expected.check(system)
        first = first_published(system)
        in_the_order_of_their_watermarks(first)
        assert closed_at_the_first_record_that_allows_it(system, first) > 1000
        assert bridges(system, first) > 0
        system.until(lambda: system.metric("mos_sessionizer_open_sessions") == 0, "all state is dropped")
        worker.kill()
        worker.wait()
        forget_clicks(system)
        system._ports.clear()
        system.worker("sessionizer")  # nothing that is gone is needed
        moment = clock()
        click = Click(event_id="after", user_id="after", item_id="i", timestamp=moment)
        system.send(contracts.CLICKS, [("after", contracts.encode(click))])
        time.sleep(4)
        system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=clock())))
        name = f"after:{moment}:after"
        system.until(lambda: any(s.session_id == name for s, _ in first_published(system)), "the stream goes on")


def test_rules_change_at_a_kill_and_every_live_click_ends_once(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    rules = {**RULES, "MOS_SESSION_IDLE_TIMEOUT": "2"}
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **rules) as system:
        draw = random.Random(3)
        with LiveTraffic(system, rate=80) as traffic:
            for changes in OTHERS:
                worker = system.worker("sessionizer")
                time.sleep(draw.uniform(1, 4))
                worker.kill()
                worker.wait()
                system.environment.update(changes)
        system.worker("sessionizer")
        traffic.check()


def first_published(system: StreamSystem) -> list[tuple[Session, Record]]:
    """The sessions in the order of each partition, without repeats."""
    found: dict[str, tuple[Session, Record]] = {}
    for record in system.records(contracts.SESSIONS):
        session = msgspec.json.decode(record.value or b"", type=Session)
        found.setdefault(session.session_id, (session, record))
    return list(found.values())


def in_the_order_of_their_watermarks(sessions: list[tuple[Session, Record]]) -> None:
    last: dict[str, tuple[int, str]] = {}
    for session, _ in sessions:
        place = (session.watermark, session.session_id)
        assert last.get(session.user_id, place) <= place
        last[session.user_id] = place


def closed_at_the_first_record_that_allows_it(system: StreamSystem, sessions: list[tuple[Session, Record]]) -> int:
    """Assert it by the time of arrival that a session names; returns how many sessions were looked at."""
    rules, marks = system.settings.sessions, {number: [(-1, 0)] for number in range(PARTITIONS)}
    for record in system.records(contracts.CLICKS):
        reached = marks[record.partition]
        for moment in _moments(record, rules.lateness, rules.max_future):
            if moment > reached[-1][0]:
                reached.append((moment, record.timestamp))
    for session, record in sessions:
        allowed = next(arrival for mark, arrival in marks[record.partition] if mark >= session.watermark)
        assert closable_at(record.headers) == allowed
    return len(sessions)


def _moments(record: Record, lateness: int, max_future: int) -> list[int]:
    """The watermarks that a record asks for."""
    try:
        message = contracts.decode_clicks(record.value)
    except ContractError:
        return []
    if isinstance(message, Heartbeat):
        return [message.heartbeat]
    times = [click.timestamp for click in message if click.timestamp <= record.timestamp + max_future]
    return [min(one, record.timestamp) - lateness for one in times]


def bridges(system: StreamSystem, sessions: list[tuple[Session, Record]]) -> int:
    """How many events came after both of their neighbours, which without them would be in two sessions."""
    gap, arrived = system.settings.sessions.gap, dict[str, int]()
    for record in system.records(contracts.CLICKS):
        try:
            message = contracts.decode_clicks(record.value)
        except ContractError:
            continue
        for click in () if isinstance(message, Heartbeat) else message:
            arrived.setdefault(click.event_id, record.offset)
    found = 0
    for session, _ in sessions:
        for before, event, after in zip(session.events, session.events[1:], session.events[2:], strict=False):
            last = arrived[event.event_id] > max(arrived[before.event_id], arrived[after.event_id])
            found += last and after.timestamp - before.timestamp > gap
    return found


def forget_clicks(system: StreamSystem) -> None:
    """Delete all records of ``clicks``, as retention does."""
    reader, topic = LogReader(system.settings), system.settings.topic(contracts.CLICKS)
    ends = [TopicPartition(topic, number, reader.bounds(topic, number)[1]) for number in range(PARTITIONS)]
    admin = AdminClient(librdkafka_config(system.settings))
    for done in admin.delete_records(ends, request_timeout=300, operation_timeout=300).values():
        done.result()
    assert [reader.bounds(topic, number)[0] for number in range(PARTITIONS)] == [end.offset for end in ends]
