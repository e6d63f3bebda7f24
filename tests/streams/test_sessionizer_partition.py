"""The sessionizer of one partition without Kafka: what it publishes, and how it is restored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from mos_online import contracts
from mos_online.contracts import AcceptedClicks, Click, ClickEnvelope, DeadLetter, Heartbeat, Session, SessionEvent
from mos_online.errors import BrokerError, ContractError
from mos_online.sessions import SessionizerCheckpoint
from mos_online.settings import Settings
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.log_reader import truncated
from streams.kafka.records import Record
from streams.processors.checkpoint_topic import Claim, Part
from streams.processors.lease import Lease
from streams.processors.sessionizer.partition import SessionizerPartition

NOW = 1_700_000_000_000
FAILED_AT = NOW + 86_400_000


class Topics:
    """RecordProducer and log reader in one: a partition of each topic as a list of values."""

    def __init__(self) -> None:
        self.published: dict[str, list[tuple[bytes, dict[str, bytes]]]] = {}
        self.keys: list[bytes] = []
        self.log: list[bytes] = []
        self.low = 0
        self.too_large = 10**9
        self.acknowledged: int | None = None  # everything
        self.by_broker = True

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Any = None,
        delay: Any = None,
    ) -> None:
        assert (delay is not None) == (topic == contracts.SESSIONS)
        assert partition == (None if topic == contracts.DEAD_LETTERS else 3)
        if len(value or b"") > self.too_large and topic != contracts.DEAD_LETTERS:
            raise ContractError("too_large", "of a test")
        self.published.setdefault(topic, []).append((value or b"", dict(headers or {})))
        if topic == contracts.SESSIONIZER_CHECKPOINTS:
            self.keys.append(key or b"")

    def room(self, topic: str) -> int:
        return self.too_large

    def parts(self) -> list[Part]:
        """What lies in the topic of checkpoints, without the claims."""
        decoder = msgspec.msgpack.Decoder(Claim | Part)
        found = [decoder.decode(value) for value, _ in self.published[contracts.SESSIONIZER_CHECKPOINTS] if value]
        return [one for one in found if isinstance(one, Part)]

    def backwards(self, topic: str, partition: int) -> Iterator[Any]:
        stored = self.published.get(topic, [])
        return reversed([Message(topic, offset, value) for offset, (value, _) in enumerate(stored)])

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self.low, len(self.log)

    def committed(self, name: str, topic: str, partition: int) -> int:
        return len(self.log) if self.acknowledged is None else self.acknowledged

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Any]:
        if start < self.low:
            raise truncated(topic, partition, start, self.low)
        for offset in range(start, stop):
            yield Message(topic, offset, self.log[offset])

    def sessions(self) -> list[Session]:
        return [msgspec.json.decode(value, type=Session) for value, _ in self.published.get(contracts.SESSIONS, [])]

    def letters(self) -> list[DeadLetter]:
        values = self.published.get(contracts.DEAD_LETTERS, [])
        return [msgspec.json.decode(value, type=DeadLetter) for value, _ in values]


class Message:
    """What is used of confluent_kafka.Message; Kafka's timestamp is NOW plus the offset."""

    def __init__(self, topic: str, offset: int, value: bytes) -> None:
        self._topic, self._offset, self._value = topic, offset, value

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, NOW + self._offset

    def headers(self) -> None:
        return None


@pytest.fixture
def topics() -> Topics:
    return Topics()


@pytest.fixture
def settings() -> Settings:
    return Settings(session_gap=60, session_lateness=0)


def click(event: str, seconds: int, user: str = "u", **more: Any) -> bytes:
    return contracts.encode(
        Click(event_id=event, user_id=user, item_id="i", timestamp=NOW - 10**9 + seconds * 1000, **more)
    )


def beat(seconds: int) -> bytes:
    return contracts.encode(Heartbeat(heartbeat=NOW - 10**9 + seconds * 1000))


def partition(settings: Settings, topics: Topics) -> SessionizerPartition:
    letters = DeadLetters(topics, settings, processor="sessionizer", now=lambda: FAILED_AT)  # type: ignore[arg-type]
    return SessionizerPartition(settings, topics, 3, decode=contracts.decode_clicks, dead_letters=letters)  # type: ignore[arg-type]


def batches(partition: SessionizerPartition, topics: Topics, *values: bytes) -> None:
    start = len(topics.log)
    topics.log += values
    records = [
        Record(
            topic=contracts.CLICKS,
            partition=3,
            offset=offset,
            key=None,
            value=topics.log[offset],
            timestamp=NOW + offset,
            by_broker=topics.by_broker,
        )
        for offset in range(start, len(topics.log))
    ]
    for batch in partition.batches(records):
        if partition.decide(batch, NOW):
            secure(partition)
        partition.take(batch, NOW)


def secure(partition: SessionizerPartition) -> None:
    partition.store_unsecured()
    partition.unsecured = None


def restore(partition: SessionizerPartition, topics: Topics, **options: bool) -> None:
    partition.claim()
    plan = partition.plan(topics, **options)  # type: ignore[arg-type]
    secure(partition)
    partition.reread(topics, plan, lambda: secure(partition), lease=Lease.unlimited())  # type: ignore[arg-type]


def checkpoint(partition: SessionizerPartition) -> bool:
    made = partition.checkpoint()
    if made is not None:
        partition.store(made)
    return made is not None


def restored(
    settings: Settings, topics: Topics, kept: SessionizerPartition | None = None, **options: bool
) -> SessionizerPartition:
    again = kept or partition(settings, topics)
    again.restored = False
    restore(again, topics, **options)
    assert again.restored
    return again


def test_sessions_late_events_and_dead_letters(settings: Settings, topics: Topics) -> None:
    batches(partition(settings, topics), topics, click("a", 0), b"{", click("b", 100), click("c", 1), b"")
    assert [s.session_id.rsplit(":", 1)[1] for s in topics.sessions()] == ["a"]
    assert topics.published[contracts.SESSIONS][0][1] == {"closable_at": str(NOW + 2).encode()}
    assert len(topics.published[contracts.LATE_EVENTS]) == 1
    assert [(x.reason, x.offset, x.raw, x.record_timestamp, x.failed_at) for x in topics.letters()] == [
        ("not_json", 1, b"{", NOW + 1, FAILED_AT),
        ("not_json", 4, b"", NOW + 4, FAILED_AT),
    ]


def test_clicks_without_a_key_are_taken_but_not_silently(
    settings: Settings, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    batches(partition(settings, topics), topics, click("a", 0), click("b", 1), beat(1000))
    assert len(topics.sessions()) == 1
    (warning,) = caplog.records
    assert "send clicks with the user_id as key" in warning.getMessage()


def test_a_record_that_breaks_the_sessionizer_is_kept_and_the_stream_goes_on(
    settings: Settings, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = partition(settings, topics)
    process = target.sessionizer.process

    def breaks(message: Any, **options: Any) -> Any:
        if options["offset"] == 1:
            raise RuntimeError("of a test")
        return process(message, **options)

    monkeypatch.setattr(target.sessionizer, "process", breaks)
    batches(target, topics, click("a", 0), click("x", 1), beat(1000))
    assert [x.reason for x in topics.letters()] == ["internal_error"]
    assert len(topics.sessions()) == 1


def test_a_session_too_large_for_kafka_becomes_a_dead_letter(settings: Settings, topics: Topics) -> None:
    topics.too_large = 100
    batches(partition(settings, topics), topics, click("a", 0), beat(1000))
    assert [(x.topic, x.reason) for x in topics.letters()] == [(contracts.SESSIONS, "too_large")]


def test_a_checkpoint_is_made_at_first_and_then_when_something_has_happened(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    assert len(topics.parts()) == 1
    assert not checkpoint(target)
    batches(target, topics, click("a", 0))
    assert checkpoint(target)
    assert not checkpoint(target)


def test_a_checkpoint_that_is_too_large_for_one_record_lies_in_several(settings: Settings, topics: Topics) -> None:
    """Many users who end their sessions at once: each leaves a floor."""
    target = restored(settings, topics)
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
    again = restored(settings, topics)
    assert again.sessionizer.checkpoint().floors == floors
    assert len(topics.sessions()) == len(users)


def test_after_a_crash_only_what_was_not_published_is_published(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, click("a", 0), b"bad", click("b", 5), click("c", 100, user="v"))
    checkpoint(target)
    batches(target, topics, b"worse", beat(1000))
    before = [value for value, _ in topics.published[contracts.SESSIONS]]
    letters = topics.letters()
    topics.published[contracts.SESSIONS].clear()
    topics.published[contracts.DEAD_LETTERS].clear()

    restored(settings, topics)
    again = [value for value, _ in topics.published[contracts.SESSIONS]]
    assert again == before[1:]  # the first was published before the checkpoint
    assert topics.letters() == letters[1:]


def test_records_that_the_agent_gets_anyway_are_left_to_it(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, click("a", 0), click("b", 1))
    checkpoint(target)
    topics.log += [click("c", 2), beat(1000)]
    topics.acknowledged = 3
    again = restored(settings, topics)
    assert again.sessionizer.next_offset == 3
    assert topics.sessions() == []
    topics.acknowledged = 1  # nothing was acknowledged since before the checkpoint
    assert restored(settings, topics).sessionizer.next_offset == 2


def test_a_partition_that_comes_back_goes_on_from_where_it_was(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, click("a", 0))
    checkpoint(target)
    topics.log += [click("b", 5), beat(1000)]
    topics.low = 1  # what it has taken already need not be there any more
    restored(settings, topics, kept=target)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a", "b"]]


def test_a_partition_that_another_worker_has_had_is_restored(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, click("a", 0))
    checkpoint(target)
    other = restored(settings, topics)
    batches(other, topics, click("b", 5))
    checkpoint(other)
    topics.log.append(beat(1000))
    restored(settings, topics, kept=target)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a", "b"]]


def test_a_topic_made_anew_is_noticed(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, click("a", 0), click("b", 1))
    checkpoint(target)
    topics.log.pop()
    with pytest.raises(BrokerError, match=r"was read up to offset 2, but goes on with 1: .*--accept-loss"):
        restore(partition(settings, topics), topics)
    again = restored(settings, topics, accept_loss=True)
    batches(again, topics, beat(1000))
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a"]]
    again.publish_accepted()
    logs = [msgspec.json.decode(value, type=AcceptedClicks).log_id for value, _ in topics.published["accepted-clicks"]]
    assert len(logs) == len(set(logs)) == 2, "its positions belong to another log"


def test_dropped_records_are_missed_unless_their_loss_is_accepted(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, click("a", 0), click("b", 1))
    checkpoint(target)
    topics.log.append(beat(1000))
    topics.low = 1
    with pytest.raises(BrokerError, match="1 events of open sessions are not in"):
        restore(partition(settings, topics), topics)
    restored(settings, topics, accept_loss=True)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["b"]]


def test_records_that_nobody_has_acknowledged_are_missed_too(settings: Settings, topics: Topics) -> None:
    restored(settings, topics)
    topics.log += [click("a", 0), click("b", 1)]
    topics.low, topics.acknowledged = 1, 0
    with pytest.raises(BrokerError, match="retention dropped 1 records"):
        restore(partition(settings, topics), topics)


def test_a_partition_that_is_not_wanted_any_more_is_left(settings: Settings, topics: Topics) -> None:
    topics.log += [click("a", 0), beat(1000)]
    target = partition(settings, topics)
    target.wanted = False
    restore(target, topics)
    assert not target.restored
    assert topics.published.keys() == {contracts.SESSIONIZER_CHECKPOINTS}


def test_records_of_closed_sessions_are_not_missed(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, click("a", 0), click("b", 100), click("c", 101))
    checkpoint(target)
    topics.log.append(beat(1000))
    topics.low = 1
    restored(settings, topics)
    assert [[e.event_id for e in s.events] for s in topics.sessions()] == [["a"], ["b", "c"]]


def live(event: str, at: int) -> bytes:
    return contracts.encode(Click(event_id=event, user_id="u", item_id="i", timestamp=at))


def test_what_the_wall_clock_closes_is_decided_before_it_is_published(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, live("a", NOW))
    assert not target.move(NOW + 60_000)
    assert target.move(NOW + 70_000)
    assert topics.sessions() == []
    secure(target)
    killed = restored(settings, topics)  # what was decided is done, by whoever comes
    assert len(topics.sessions()) == 1
    late = live("b", NOW + 1000)
    batches(killed, topics, late)
    assert len(topics.published[contracts.LATE_EVENTS]) == 1
    target.tick()
    first, second = topics.published[contracts.SESSIONS]
    assert first[0] == second[0]


def test_a_partition_that_comes_back_does_what_it_had_decided(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, live("a", NOW))
    assert target.move(NOW + 70_000)
    secure(target)
    restored(settings, topics, kept=target)
    assert len(topics.sessions()) == 1


def test_what_a_producer_is_ahead_by_is_decided_before_it_is_taken(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    topics.by_broker = False
    before = len(topics.parts())
    batches(target, topics, live("a", NOW + 30_000), live("b", NOW))
    (*_, stored) = topics.parts()
    assert len(topics.parts()) == before + 1
    checkpoint = msgspec.json.decode(stored.content, type=SessionizerCheckpoint)
    assert (checkpoint.published_to, checkpoint.bounded_to, checkpoint.published.bound) == (0, 2, NOW)
    assert target.sessionizer.watermark == NOW


def test_records_with_the_brokers_time_need_no_decision_among_others(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
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


def accepted(topics: Topics) -> list[tuple[int, str, str]]:
    """(position, item, user) of each accepted click, as they were published."""
    values = [value for value, _ in topics.published.get(contracts.ACCEPTED_CLICKS, [])]
    messages = [msgspec.json.decode(value, type=AcceptedClicks) for value in values]
    assert len({message.log_id for message in messages}) <= 1
    return [(position, item, user) for one in messages for position, _, _, user, item, *_ in one.clicks()]


def test_what_counts_is_published_once_and_before_the_checkpoint(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    shown, end = click("c", 20, event_type="Impression"), click("d", 30, event_type="session_end")
    batches(target, topics, click("a", 0), b"bad", click("a", 0), shown, end, click("b", 100), click("late", 1))
    assert accepted(topics) == []
    assert checkpoint(target)
    assert accepted(topics) == [(0, "i", "u"), (5000, "i", "u")]
    target.publish_accepted()
    batches(target, topics, click("e", 101), click("f", 102))
    target.publish_accepted()
    again = restored(settings, topics)  # killed before the next checkpoint
    again.publish_accepted()
    repeated = [(7000, "i", "u"), (8000, "i", "u")]
    assert accepted(topics) == [(0, "i", "u"), (5000, "i", "u"), *repeated, *repeated]


def test_clicks_of_an_envelope_have_positions_of_their_own_in_records_of_any_size(
    settings: Settings, topics: Topics
) -> None:
    target = restored(settings, topics)
    clicks = [
        SessionEvent(event_id=f"e{n}", item_id=f"i{n}", timestamp=NOW - 10**9 + n, context={"category": "jazz"})
        for n in range(100)
    ]
    topics.too_large = 500
    batches(target, topics, contracts.encode(ClickEnvelope(user_id="u", clicks=clicks)))
    target.publish_accepted()
    assert len(topics.published[contracts.ACCEPTED_CLICKS]) > 4
    assert accepted(topics) == [(n, f"i{n}", "u") for n in range(100)]


def test_many_accepted_clicks_do_not_wait_for_the_tick(settings: Settings, topics: Topics) -> None:
    target = restored(settings, topics)
    batches(target, topics, *(click(f"e{n}", n) for n in range(2001)))
    assert len(accepted(topics)) == 2000


def test_a_type_that_is_not_declared_is_named_once(
    settings: Settings, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    target = restored(settings, topics)
    for round_ in range(3):
        sent = (click(f"e{round_}.{n}", 100 * round_ + n, event_type=f"type {n}") for n in range(50))
        batches(target, topics, *sent)
        target.measure()
    named = [record.getMessage() for record in caplog.records if "is not in MOS_EVENT_TYPES" in record.getMessage()]
    assert len(named) == len(set(named)) == 20
