"""The sessionizer of one partition without Kafka: what it publishes."""

from __future__ import annotations

from typing import Any

import pytest

from mos_online import contracts
from mos_online.settings import Settings
from tests.streams.partition_runs import (
    FAILED_AT,
    NOW,
    Topics,
    batches,
    beat,
    click,
    partition,
    restored,
)


def test_sessions_late_events_and_dead_letters(short_sessions: Settings, topics: Topics) -> None:
    batches(partition(short_sessions, topics), topics, click("a", 0), b"{", click("b", 100), click("c", 1), b"")
    assert [s.session_id.rsplit(":", 1)[1] for s in topics.sessions()] == ["a"]
    assert topics.published[contracts.SESSIONS][0][1] == {"closable_at": str(NOW + 2).encode()}
    assert len(topics.published[contracts.LATE_EVENTS]) == 1
    assert [(x.reason, x.offset, x.raw, x.record_timestamp, x.failed_at) for x in topics.letters()] == [
        ("not_json", 1, b"{", NOW + 1, FAILED_AT),
        ("not_json", 4, b"", NOW + 4, FAILED_AT),
    ]


def test_clicks_without_a_key_are_taken_but_not_silently(
    short_sessions: Settings, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    batches(partition(short_sessions, topics), topics, click("a", 0), click("b", 1), beat(1000))
    assert len(topics.sessions()) == 1
    (warning,) = caplog.records
    assert "send clicks with the user_id as key" in warning.getMessage()


def test_a_record_that_breaks_the_sessionizer_is_kept_and_the_stream_goes_on(
    short_sessions: Settings, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = partition(short_sessions, topics)
    process = target.sessionizer.process

    def breaks(message: Any, **options: Any) -> Any:
        if options["offset"] == 1:
            raise RuntimeError("of a test")
        return process(message, **options)

    monkeypatch.setattr(target.sessionizer, "process", breaks)
    batches(target, topics, click("a", 0), click("x", 1), beat(1000))
    assert [x.reason for x in topics.letters()] == ["internal_error"]
    assert len(topics.sessions()) == 1


def test_a_session_too_large_for_kafka_becomes_a_dead_letter(short_sessions: Settings, topics: Topics) -> None:
    topics.too_large = 100
    batches(partition(short_sessions, topics), topics, click("a", 0), beat(1000))
    assert [(x.topic, x.reason) for x in topics.letters()] == [(contracts.SESSIONS, "too_large")]


def test_a_type_that_is_not_declared_is_named_once(
    short_sessions: Settings, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    target = restored(short_sessions, topics)
    for round_ in range(3):
        sent = (click(f"e{round_}.{n}", 100 * round_ + n, event_type=f"type {n}") for n in range(50))
        batches(target, topics, *sent)
        target.measure()
    named = [record.getMessage() for record in caplog.records if "is not in MOS_EVENT_TYPES" in record.getMessage()]
    assert len(named) == len(set(named)) == 20
