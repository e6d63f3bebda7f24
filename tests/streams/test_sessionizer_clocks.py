"""The sessionizer of one partition without Kafka: what the wall clock and the clocks of producers decide."""

from __future__ import annotations

import msgspec

from mos_online import contracts
from mos_online.sessions import SessionizerCheckpoint
from mos_online.settings import Settings
from streams.kafka.records import Record
from tests.streams.partition_runs import (
    NOW,
    Topics,
    batches,
    live,
    restored,
    secure,
)


def test_what_the_wall_clock_closes_is_decided_before_it_is_published(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, live("a", NOW))
    assert not target.move(NOW + 60_000)
    assert target.move(NOW + 70_000)
    assert topics.sessions() == []
    secure(target)
    killed = restored(short_sessions, topics)  # what was decided is done, by whoever comes
    assert len(topics.sessions()) == 1
    late = live("b", NOW + 1000)
    batches(killed, topics, late)
    assert len(topics.published[contracts.LATE_EVENTS]) == 1
    target.tick()
    first, second = topics.published[contracts.SESSIONS]
    assert first[0] == second[0]


def test_a_partition_that_comes_back_does_what_it_had_decided(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, live("a", NOW))
    assert target.move(NOW + 70_000)
    secure(target)
    restored(short_sessions, topics, kept=target)
    assert len(topics.sessions()) == 1


def test_what_a_producer_is_ahead_by_is_decided_before_it_is_taken(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    topics.by_broker = False
    before = len(topics.parts())
    batches(target, topics, live("a", NOW + 30_000), live("b", NOW))
    (*_, stored) = topics.parts()
    assert len(topics.parts()) == before + 1
    checkpoint = msgspec.json.decode(stored.content, type=SessionizerCheckpoint)
    assert (checkpoint.published_to, checkpoint.bounded_to, checkpoint.published.bound) == (0, 2, NOW)
    assert target.sessionizer.watermark == NOW


def test_records_with_the_brokers_time_need_no_decision_among_others(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    topics.log += [live("a", NOW + 30_000), live("b", NOW), live("c", NOW)]
    records = [
        Record(topic=contracts.CLICKS, partition=3, offset=n, key=b"u", value=raw, timestamp=NOW, by_broker=n == 2)
        for n, raw in enumerate(topics.log)
    ]
    (batch,) = target.batches(records)
    assert (batch.newest, batch.end, batch.by_producer) == (NOW + 30_000, 2, 2)
    (stamped,) = target.batches(records[2:])
    assert (stamped.newest, stamped.end, stamped.by_producer) == (None, 0, 0)
    assert not target.decide(stamped, NOW)
