"""A real broker and a real `mos worker`: the sessions on the topic are those of the offline oracle."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest

from mos_online import contracts
from mos_online.contracts import Click, ClickEnvelope, DeadLetter, Heartbeat, Session, SessionEvent
from mos_online.sessions import offline_sessions
from streams.kafka.headers import closable_at
from tests.integration.stream_system import StreamSystem, stop, stream_system

pytestmark = pytest.mark.slow

BEGIN = 1_600_000_000_000
FAR = BEGIN + 10**9


def clicks(n: int, seed: int) -> list[Click]:
    """In order of time, with gaps, end events and repeats of the same event."""
    rng = random.Random(seed)
    found: list[Click] = []
    moment = BEGIN
    for number in range(n):
        moment += rng.choice([10, 500, 20_000])
        kind = contracts.SESSION_END if rng.random() < 0.02 else "click"
        user, item = f"u{rng.randrange(40)}", f"i{rng.randrange(30)}"
        click = Click(event_id=f"e{number}", user_id=user, item_id=item, timestamp=moment, event_type=kind)
        found += [click] * (2 if rng.random() < 0.05 else 1)
    return found


def envelope(click: Click) -> bytes:
    inner = SessionEvent(
        event_id=click.event_id, item_id=click.item_id, timestamp=click.timestamp, event_type=click.event_type
    )
    return contracts.encode(ClickEnvelope(user_id=click.user_id, clicks=[inner]))


def wire(found: list[Click]) -> list[tuple[str, bytes]]:
    return [(c.user_id, envelope(c) if n % 7 == 0 else contracts.encode(c)) for n, c in enumerate(found)]


def oracle(found: list[Click], system: StreamSystem) -> dict[str, tuple[list[str], str]]:
    columns = ("user_id", "event_id", "item_id", "timestamp", "event_type")
    frame = pl.DataFrame({name: [getattr(c, name) for c in found] for name in columns})
    rows = offline_sessions(frame, system.settings.sessions).iter_rows(named=True)
    return {row["session_id"]: (row["event_ids"], row["close_reason"]) for row in rows}


def published(system: StreamSystem) -> tuple[dict[str, tuple[list[str], str]], int]:
    """Sessions by id, and how many were repeated; asserts that repeats are identical."""
    values: dict[str, bytes] = {}
    repeated = 0
    for record in system.records(contracts.SESSIONS):
        assert record.value
        session = msgspec.json.decode(record.value, type=Session)
        repeated += session.session_id in values
        assert values.setdefault(session.session_id, record.value) == record.value
        assert closable_at(record.headers)
    sessions = [msgspec.json.decode(value, type=Session) for value in values.values()]
    return {s.session_id: ([e.event_id for e in s.events], s.close_reason) for s in sessions}, repeated


def test_sessions_equal_the_oracle_and_bad_records_are_kept(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_SESSION_GAP="60") as system:
        found = clicks(1500, seed=1)
        bad = [("u1", b"no json"), ("u2", b"{}"), ("u3", b"")]
        records = wire(found)
        system.send(contracts.CLICKS, records[:500] + bad + records[500:])
        worker = system.worker("sessionizer")
        future = contracts.encode(Click(event_id="f", user_id="u1", item_id="i", timestamp=4_000_000_000_000))
        system.send(contracts.CLICKS, [("u1", future)])
        system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=FAR)))
        expected = oracle(found, system)
        system.until(lambda: len(system.records(contracts.SESSIONS)) >= len(expected), "all sessions are closed")
        assert published(system) == (expected, 0)
        system.until(lambda: len(system.records(contracts.DEAD_LETTERS)) >= 4, "all dead letters are there")
        letters = [msgspec.json.decode(r.value or b"", type=DeadLetter) for r in system.records(contracts.DEAD_LETTERS)]
        assert sorted(x.reason for x in letters) == ["future_timestamp", "invalid", "not_json", "not_json"]
        assert b"no json" in [x.raw for x in letters]
        repeats = len(found) - 1500
        system.until(
            lambda: system.metric("mos_sessionizer_duplicate_clicks_total") == repeats, "all repeats are counted"
        )
        assert stop(worker) == 0


def test_a_killed_worker_loses_and_changes_nothing(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_SESSION_GAP="60") as system:
        found = clicks(3000, seed=2)
        records = wire(found)
        worker = system.worker("sessionizer")
        for start in (0, 1000):
            system.send(contracts.CLICKS, records[start : start + 1000])
            if start == 0:  # with a checkpoint, and then with sessions published that no checkpoint knows of
                system.until(lambda: len(system.records("sessionizer-checkpoints")) > 0, "there is a checkpoint")
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker = system.worker("sessionizer")
        system.send(contracts.CLICKS, records[2000:])
        system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=FAR)))
        expected = oracle(found, system)
        system.until(lambda: published(system)[0].keys() >= expected.keys(), "all sessions are closed")
        assert published(system)[0] == expected
        assert stop(worker, signal.SIGINT) == 130


def test_a_clean_restart_repeats_nothing(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_SESSION_GAP="60") as system:
        found = clicks(1000, seed=3)
        worker = system.worker("sessionizer")
        system.send(contracts.CLICKS, wire(found))
        system.until(lambda: system.metric("mos_sessionizer_clicks_total") >= len(found), "all clicks are taken")
        assert stop(worker) == 0
        worker = system.worker("sessionizer")
        system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=FAR)))
        expected = oracle(found, system)
        system.until(lambda: len(system.records(contracts.SESSIONS)) >= len(expected), "all sessions are closed")
        assert published(system) == (expected, 0)


def test_the_wall_clock_closes_the_session_of_a_quiet_live_user(tmp_path: Path, free_port: Callable[[], int]) -> None:
    rules = {"MOS_SESSION_GAP": "1", "MOS_SESSION_LATENESS": "0", "MOS_SESSION_IDLE_TIMEOUT": "1"}
    with stream_system(tmp_path / "mos", free_port(), **rules) as system:
        system.worker("sessionizer")
        click = Click(event_id="e", user_id="u", item_id="i", timestamp=time.time_ns() // 1_000_000)
        system.send(contracts.CLICKS, [("u", contracts.encode(click))])
        system.until(lambda: len(system.records(contracts.SESSIONS)) == 1, "the session is closed")
        assert published(system)[0].keys() == {f"u:{click.timestamp}:e"}
