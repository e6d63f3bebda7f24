"""The sessionizer of one partition without Kafka: checkpoints, and how it is restored."""

from __future__ import annotations

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import AcceptedClicks
from mos_online.errors import BrokerError
from mos_online.settings import Settings
from tests.streams.partition_runs import (
    Topics,
    batches,
    beat,
    checkpoint,
    click,
    partition,
    restore,
    restored,
)


def test_a_checkpoint_is_made_at_first_and_then_when_something_has_happened(
    short_sessions: Settings, topics: Topics
) -> None:
    target = restored(short_sessions, topics)
    assert len(topics.parts()) == 1
    assert not checkpoint(target)
    batches(target, topics, click("a", 0))
    assert checkpoint(target)
    assert not checkpoint(target)


def test_a_checkpoint_that_is_too_large_for_one_record_lies_in_several(
    short_sessions: Settings, topics: Topics
) -> None:
    """Many users who end their sessions at once: each leaves a floor."""
    target = restored(short_sessions, topics)
    topics.too_large = 20_000
    users = [f"a user with a long id, number {n}" for n in range(1500)]
    ended = [click(f"the end of {n}", n // 60, user=u, event_type="session_end") for n, u in enumerate(users)]
    batches(target, topics, *ended, click("a", 26, user="v"))
    assert checkpoint(target)
    floors = target.sessionizer.checkpoint().floors
    assert floors.keys() == set(users)
    assert sum(len(part.content) for part in topics.parts()) > 5 * topics.too_large
    assert topics.parts()[-1].parts == len(topics.parts()) - 1 > 5
    assert len(topics.sessions()) == len(users)
    again = restored(short_sessions, topics)
    assert again.sessionizer.checkpoint().floors == floors
    assert len(topics.sessions()) == len(users)


def test_after_a_crash_only_what_was_not_published_is_published(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0), b"bad", click("b", 5), click("c", 100, user="v"))
    checkpoint(target)
    batches(target, topics, b"worse", beat(1000))
    before = [value for value, _ in topics.published[contracts.SESSIONS]]
    letters = topics.letters()
    topics.published[contracts.SESSIONS].clear()
    topics.published[contracts.DEAD_LETTERS].clear()

    restored(short_sessions, topics)
    again = [value for value, _ in topics.published[contracts.SESSIONS]]
    assert again == before[1:]  # the first was published before the checkpoint
    assert topics.letters() == letters[1:]


def test_records_that_the_agent_gets_anyway_are_left_to_it(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0), click("b", 1))
    checkpoint(target)
    topics.log += [click("c", 2), beat(1000)]
    topics.acknowledged = 3
    again = restored(short_sessions, topics)
    assert again.sessionizer.next_offset == 3
    assert topics.sessions() == []
    topics.acknowledged = 1  # nothing was acknowledged since before the checkpoint
    assert restored(short_sessions, topics).sessionizer.next_offset == 2


def test_a_partition_that_comes_back_goes_on_from_where_it_was(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0))
    checkpoint(target)
    topics.log += [click("b", 5), beat(1000)]
    topics.low = 1  # what it has taken already need not be there any more
    restored(short_sessions, topics, kept=target)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a", "b"]]


def test_a_partition_that_another_worker_has_had_is_restored(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0))
    checkpoint(target)
    other = restored(short_sessions, topics)
    batches(other, topics, click("b", 5))
    checkpoint(other)
    topics.log.append(beat(1000))
    restored(short_sessions, topics, kept=target)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a", "b"]]


def test_a_topic_made_anew_is_noticed(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0), click("b", 1))
    checkpoint(target)
    topics.log.pop()
    with pytest.raises(BrokerError, match=r"was read up to offset 2, but goes on with 1: .*--accept-loss"):
        restore(partition(short_sessions, topics), topics)
    again = restored(short_sessions, topics, accept_loss=True)
    batches(again, topics, beat(1000))
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a"]]
    again.publish_accepted()
    logs = [msgspec.json.decode(value, type=AcceptedClicks).log_id for value, _ in topics.published["accepted-clicks"]]
    assert len(logs) == len(set(logs)) == 2, "its positions belong to another log"


def test_dropped_records_are_missed_unless_their_loss_is_accepted(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0), click("b", 1))
    checkpoint(target)
    topics.log.append(beat(1000))
    topics.low = 1
    with pytest.raises(BrokerError, match="1 events of open sessions are not in"):
        restore(partition(short_sessions, topics), topics)
    restored(short_sessions, topics, accept_loss=True)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["b"]]


def test_records_that_nobody_has_acknowledged_are_missed_too(short_sessions: Settings, topics: Topics) -> None:
    restored(short_sessions, topics)
    topics.log += [click("a", 0), click("b", 1)]
    topics.low, topics.acknowledged = 1, 0
    with pytest.raises(BrokerError, match="retention dropped 1 records"):
        restore(partition(short_sessions, topics), topics)


def test_a_partition_that_is_not_wanted_any_more_is_left(short_sessions: Settings, topics: Topics) -> None:
    topics.log += [click("a", 0), beat(1000)]
    target = partition(short_sessions, topics)
    target.wanted = False
    restore(target, topics)
    assert not target.restored
    assert topics.published.keys() == {contracts.SESSIONIZER_CHECKPOINTS}


def test_records_of_closed_sessions_are_not_missed(short_sessions: Settings, topics: Topics) -> None:
    target = restored(short_sessions, topics)
    batches(target, topics, click("a", 0), click("b", 100), click("c", 101))
    checkpoint(target)
    topics.log.append(beat(1000))
    topics.low = 1
    restored(short_sessions, topics)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a"], ["b", "c"]]
