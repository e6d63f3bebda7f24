"""The sessionizer of one partition without Kafka: the clicks that count."""

from __future__ import annotations

import math

import pytest

from mos_online import contracts
from mos_online.contracts import ClickEnvelope, SessionEvent
from mos_online.settings import Settings
from streams.processors.sessionizer import partition
from tests.streams.partition_runs import (
    NOW,
    Topics,
    accepted,
    batches,
    checkpoint,
    click,
    restored,
)


def test_what_counts_is_published_once_and_before_the_checkpoint(
    short_sessions: Settings, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = restored(short_sessions, topics)
    shown, end = click("c", 20, event_type="Impression"), click("d", 30, event_type="session_end")
    monkeypatch.setattr(partition, "LONG_SPAN", math.inf)
    batches(target, topics, click("a", 0), b"bad", click("a", 0), shown, end, click("b", 100), click("late", 1))
    assert accepted(topics) == []
    assert checkpoint(target)
    assert accepted(topics) == [(0, "i", "u"), (5000, "i", "u")]
    target.publish_accepted()
    batches(target, topics, click("e", 101), click("f", 102))
    target.publish_accepted()
    again = restored(short_sessions, topics)  # killed before the next checkpoint
    again.publish_accepted()
    repeated = [(7000, "i", "u"), (8000, "i", "u")]
    assert accepted(topics) == [(0, "i", "u"), (5000, "i", "u"), *repeated, *repeated]


def test_clicks_of_an_envelope_have_positions_of_their_own_in_records_of_any_size(
    short_sessions: Settings, topics: Topics
) -> None:
    target = restored(short_sessions, topics)
    clicks = [
        SessionEvent(event_id=f"e{n}", item_id=f"i{n}", timestamp=NOW - 10**9 + n, context={"category": "jazz"})
        for n in range(100)
    ]
    topics.too_large = 500
    batches(target, topics, contracts.encode(ClickEnvelope(user_id="u", clicks=clicks)))
    target.publish_accepted()
    assert len(topics.published[contracts.ACCEPTED_CLICKS]) > 4
    assert accepted(topics) == [(n, f"i{n}", "u") for n in range(100)]


def test_many_accepted_clicks_do_not_wait_for_the_tick(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, *(click(f"e{n}", n) for n in range(2001)))
    assert len(accepted(topics)) == 2000


def test_clicks_do_not_wait_for_the_tick_where_event_time_runs_faster_than_the_clock(
    short_sessions: Settings, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "SHORTEST_WAIT", math.inf)
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0), click("b", 9))
    assert accepted(topics) == []  # as many seconds as live clicks may have between two ticks
    batches(target, topics, click("c", 11))
    assert accepted(topics) == []  # the last ones were published just now
    monkeypatch.setattr(partition, "SHORTEST_WAIT", 0.0)
    batches(target, topics, click("d", 12))
    assert len(accepted(topics)) == 4
