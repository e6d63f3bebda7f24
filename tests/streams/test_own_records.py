"""Records of our own topics are believed only as far as the sessionizer can have written them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import Session, SessionEmbedding, SessionEvent, check_session
from mos_online.contracts.fields import MAX_TIME
from mos_online.errors import ContractError
from mos_online.sessions import SessionConfig, Sessionizer
from mos_online.settings import Settings
from streams.kafka.records import Record
from streams.processors.own_records import check_key, check_time
from tests.streams.processor_cases import NOW, PARTITION, ProfilerCase, RecommenderCase
from tests.streams.processor_runs import drive
from tests.streams.stream_doubles import Stream, eventually

RULES = SessionConfig(gap=1_000, max_future=50)


def record(**facts: Any) -> Record:
    return Record(**{"topic": "t", "partition": 0, "offset": 0, "key": b"u", "value": b"", "timestamp": NOW, **facts})


def test_a_time_may_be_ahead_by_the_future_and_the_gap() -> None:
    by_broker = record(by_broker=True)
    check_time("watermark", NOW + 1_050, by_broker, RULES)
    with pytest.raises(ContractError, match=f"watermark {NOW + 1_051} is 1051 ms ahead .*; at most 1050 ms") as raised:
        check_time("watermark", NOW + 1_051, by_broker, RULES)
    assert raised.value.reason == "future_timestamp"


def test_the_clock_of_a_producer_is_not_believed() -> None:
    with pytest.raises(ContractError, match="ahead of the arrival"):
        check_time("watermark", MAX_TIME, record(timestamp=MAX_TIME), RULES)
    check_time("watermark", NOW, record(timestamp=1), RULES)  # long ago by the clock of this machine


@pytest.mark.parametrize("key", [None, b"", b"v", b"u\x00", b"\xff"])
def test_the_key_must_be_the_user(key: bytes | None) -> None:
    check_key(record(), "u")
    with pytest.raises(ContractError, match="the key must be the user_id, 'u'") as raised:
        check_key(record(key=key), "u")
    assert raised.value.reason == "wrong_key"


def session(*times: int, **facts: Any) -> Session:
    events = [SessionEvent(event_id=f"e{number}", item_id="a", timestamp=time) for number, time in enumerate(times)]
    rest = {"session_id": "s", "user_id": "u", "started_at": times[0], "ended_at": times[-1], "events": events}
    return Session(**{**rest, "close_reason": "gap", "watermark": times[-1] + 1, **facts})


@pytest.mark.parametrize(
    "impossible",
    [
        session(5, 7, started_at=4),
        session(5, 7, ended_at=8, watermark=9),
        session(5, 9, 8, 10),
        session(5, 7, watermark=7),
        session(5, 7, watermark=0),
    ],
)
def test_the_parts_of_a_session_must_fit_together(impossible: Session) -> None:
    with pytest.raises(ContractError) as raised:
        check_session(impossible)
    assert raised.value.reason == "invalid"


@pytest.mark.parametrize("rules", [{}, {"gap": 1}, {"max_events": 1}, {"max_duration": 1}, {"publisher_ids": True}])
def test_what_the_sessionizer_publishes_is_believed(rules: dict[str, Any]) -> None:
    config = SessionConfig(**{"lateness": 0, "max_future": 0, **rules})
    sessionizer, checked = Sessionizer(config, partition=0), 0
    for offset in range(60):
        at = NOW + 40_000 * offset
        kind = contracts.SESSION_END if offset % 7 == 3 else "click"
        click = contracts.Click(event_id=f"e{offset}", user_id="u", item_id="a", timestamp=at, event_type=kind)
        for output in sessionizer.process([click], offset=offset, arrived_at=at, by_broker=True):
            if isinstance(output, Session):
                check_session(output)
                check_time("watermark", output.watermark, record(timestamp=at, by_broker=True), config)
                checked += 1
    assert checked > 5


def test_a_session_from_the_future_does_not_freeze_a_profile(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = ProfilerCase(mos_home, tmp_path / "model", monkeypatch)
    future = msgspec.structs.replace(msgspec.json.decode(case.value("u", 0), type=Session), watermark=MAX_TIME)
    stream = Stream([case.record(0, "u", contracts.encode(future)), case.record(1, "u"), case.record(2, "u")])

    async def done() -> None:
        await eventually(lambda: 2 in stream.acked, "all is acknowledged")

    drive(case, stream, done)
    assert case.store.profiles["u"].session_count == 2
    assert [(letter.offset, letter.reason) for letter in case.producer.letters()] == [(0, "future_timestamp")]


def test_an_embedding_from_the_future_is_not_asked_for(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = RecommenderCase(mos_home, tmp_path / "model", monkeypatch)
    good = msgspec.json.decode(case.value("u", 0), type=SessionEmbedding)
    future = contracts.encode(msgspec.structs.replace(good, closed_at=MAX_TIME))
    stream = Stream([case.record(0, "u", future), case.record(1, "v"), case.record(2, "w", case.value("v", 2))])

    async def done() -> None:
        await eventually(lambda: 2 in stream.acked, "all is acknowledged")

    drive(case, stream, done)
    assert case.done() == {"v"}
    reasons = {letter.offset: letter.reason for letter in case.producer.letters()}
    assert reasons == {0: "future_timestamp", 2: "wrong_key"}
    assert all(letter.partition == PARTITION for letter in case.producer.letters())
