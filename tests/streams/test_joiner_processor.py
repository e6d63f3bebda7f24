"""How the joiner lets event time go on, what it stores before it publishes, and where a restart goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from mos_online import contracts
from mos_online.contracts import AcceptedClick, AcceptedClicks, Decision, Outcome
from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.feedback.checkpoint import JoinerCheckpoint
from mos_online.settings import Settings
from streams.kafka.records import Record
from streams.processors import base
from streams.processors.base import WorkerContext
from streams.processors.joiner import processor as joiner_processor
from streams.processors.joiner.ends import ends
from streams.processors.joiner.partition import INPUTS, JoinerPartition
from streams.processors.joiner.recovery import restore
from tests.feedback.feedback_log import click, decision, impression
from tests.streams.stream_doubles import Producer, eventually

NOW = 1_700_000_000_000
WINDOW, LATENESS = 60_000, 5_000
DECISIONS, IMPRESSIONS, ACCEPTED = INPUTS


@pytest.fixture
def rules(mos_home: Settings) -> Settings:
    return mos_home.model_copy(
        update={"feedback_window": 60.0, "feedback_lateness": 5.0, "session_idle_timeout": 5.0, "kafka": "k:1"}
    )


def value(message: Any) -> bytes:
    if isinstance(message, AcceptedClick):
        message = AcceptedClicks.of("log", [message])
    return contracts.encode(message)


def record(name: str, offset: int, message: Any, arrived_at: int = NOW) -> Record:
    key = message.user_id.encode()
    return Record(
        topic=name, partition=0, offset=offset, key=key, value=value(message), timestamp=arrived_at, by_broker=True
    )


class Logs:
    """In place of ``LogReader``: records by topic, each of which begins somewhere."""

    def __init__(self) -> None:
        self.records: dict[str, list[Any]] = {}
        self.low: dict[str, int] = {}
        self.committed_to = 0

    def add(self, name: str, message: Any, arrived_at: int = NOW) -> None:
        some = self.records.setdefault(name, [])
        some.append(record(name, len(some), message, arrived_at))

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self.low.get(topic, 0), len(self.records.get(topic, []))

    def partitions(self, topic: str) -> int:
        return 1

    def has_records(self, topic: str, partition: int, start: int, stop: int) -> bool:
        return start < stop

    def committed(self, name: str, topic: str, partition: int) -> int:
        assert (name, topic) == ("sessionizer", contracts.CLICKS)
        return self.committed_to

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Any]:
        assert start >= self.low.get(topic, 0)
        return (self._message(one) for one in self.records.get(topic, [])[start:stop])

    def backwards(self, topic: str, partition: int) -> Iterator[Any]:
        return (self._message(one) for one in reversed(self.records.get(topic, [])))

    def close(self) -> None:
        pass

    @staticmethod
    def _message(one: Record) -> Any:
        return SimpleNamespace(
            topic=lambda: one.topic,
            partition=lambda: 0,
            offset=lambda: one.offset,
            key=lambda: one.key,
            value=lambda: one.value,
            timestamp=lambda: (TIMESTAMP_LOG_APPEND_TIME, one.timestamp),
            headers=lambda: None,
        )


def partition_of(rules: Settings, *records: Record) -> JoinerPartition:
    partition = JoinerPartition(rules, 0)
    for one in records:
        kinds = {DECISIONS: Decision, IMPRESSIONS: contracts.Impression, ACCEPTED: AcceptedClicks}
        message = msgspec.json.decode(one.value or b"", type=kinds[one.topic])
        partition.take(one.topic, one, message, now=NOW)
    return partition


def test_an_input_that_lags_holds_the_others_back_and_an_idle_one_does_not(rules: Settings) -> None:
    later = NOW + WINDOW + LATENESS + 1
    begun = record(DECISIONS, 0, decision("r", NOW))
    newer = record(DECISIONS, 1, decision("s", later + LATENESS), later + LATENESS)
    partition = partition_of(rules, begun, newer)

    assert partition.watermark([], later) is None, "nothing is known of impressions and clicks"
    assert partition.watermark([IMPRESSIONS], later) is None
    assert partition.watermark([IMPRESSIONS, ACCEPTED], later) == later
    partition.take(
        ACCEPTED, record(ACCEPTED, 0, click(0, NOW, "a")), AcceptedClicks.of("log", [click(0, NOW, "a")]), now=NOW
    )
    assert partition.watermark([IMPRESSIONS], later) is None


def test_the_wall_clock_closes_windows_of_live_data_only(rules: Settings) -> None:
    live = partition_of(rules, record(DECISIONS, 0, decision("r", NOW)))
    old = partition_of(rules, record(DECISIONS, 0, decision("r", NOW - 7_200_000)))
    closable = NOW + WINDOW + 2 * LATENESS + 5_001

    assert live.watermark(INPUTS, closable - 1) is None
    assert live.watermark(INPUTS, closable) == NOW + WINDOW + LATENESS + 1
    assert old.watermark(INPUTS, closable + 10**9) is None


def test_a_record_that_was_taken_before_is_passed_over(rules: Settings) -> None:
    again = record(DECISIONS, 0, decision("r", NOW))
    partition = partition_of(rules, again, again)
    assert partition.joiner.counts == {}
    assert partition.next_offsets[DECISIONS] == 1


@pytest.mark.parametrize(("committed", "ended"), [(0, False), (1, False), (2, True)])
def test_accepted_clicks_have_not_ended_while_the_sessionizer_is_behind(
    rules: Settings, committed: int, ended: bool
) -> None:
    logs, partition = Logs(), JoinerPartition(rules, 0)
    logs.records[contracts.CLICKS] = [None, None]
    logs.committed_to = committed
    assert ends(logs, rules, ACCEPTED, partition) == ended  # type: ignore[arg-type]
    assert ends(logs, rules, DECISIONS, partition)  # type: ignore[arg-type]
    logs.add(DECISIONS, decision("r", NOW))
    assert not ends(logs, rules, DECISIONS, partition)  # type: ignore[arg-type]


def test_an_input_of_which_nobody_knows_the_end_has_not_ended(rules: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> tuple[int, int]:
        raise BrokerUnavailableError("of a test")

    monkeypatch.setattr(Logs, "bounds", away)
    assert not ends(Logs(), rules, DECISIONS, JoinerPartition(rules, 0))  # type: ignore[arg-type]


class Recovering:
    """A partition with logs of its own, and what a restart makes of them."""

    def __init__(self, rules: Settings) -> None:
        self.rules, self.logs = rules, Logs()

    def start(self, *, accept_loss: bool = False) -> tuple[JoinerPartition, list[Outcome]]:
        partition = JoinerPartition(self.rules, 0)

        def refuse(one: Record, error: Exception) -> None:
            raise error

        def read(one: Record) -> Any:
            kinds = {DECISIONS: Decision, IMPRESSIONS: contracts.Impression, ACCEPTED: AcceptedClicks}
            return msgspec.json.decode(one.value or b"", type=kinds[one.topic])

        outcomes = restore(partition, self.rules, self.logs, read, refuse, accept_loss=accept_loss)  # type: ignore[arg-type]
        return partition, outcomes

    def store(self, checkpoint: bytes) -> None:
        some = self.logs.records.setdefault(contracts.JOINER_CHECKPOINTS, [])
        some.append(
            Record(
                topic=contracts.JOINER_CHECKPOINTS,
                partition=0,
                offset=len(some),
                key=b"0",
                value=checkpoint,
                timestamp=NOW,
            )
        )


@pytest.fixture
def recovering(rules: Settings) -> Recovering:
    """Two decisions with a click each; the first one has closed, and the last step may not have been published."""
    made = Recovering(rules)
    for offset, (name, at) in enumerate((("r", NOW), ("s", NOW + 50_000))):
        made.logs.add(DECISIONS, decision(name, at))
        made.logs.add(ACCEPTED, click(offset, at + 1, "a", name))
    partition, outcomes = made.start()
    assert outcomes == []
    made.store(partition.plan(NOW + WINDOW + LATENESS + 1))
    assert [outcome.request_id for outcome in partition.advance()] == ["r"]
    return made


def test_a_restart_gives_the_outcomes_of_the_last_step_again_and_goes_on(recovering: Recovering) -> None:
    recovering.logs.add(IMPRESSIONS, impression("t", "s", NOW + WINDOW + LATENESS + 1, "b"))
    partition, outcomes = recovering.start()

    assert [outcome.request_id for outcome in outcomes] == ["r"]
    assert [item.clicks for item in outcomes[0].items] == [1, 0]
    assert partition.joiner.counts == {}
    assert partition.next_offsets == {DECISIONS: 2, IMPRESSIONS: 1, ACCEPTED: 2}
    partition.plan(NOW + 10**6)
    (outcome,) = partition.advance()
    assert ([item.clicks for item in outcome.items], outcome.shown_by) == ([1, 0], "impressions")


@pytest.mark.parametrize("name", [DECISIONS, ACCEPTED])
def test_records_that_are_needed_and_gone_are_an_error_unless_the_loss_is_accepted(
    recovering: Recovering, name: str
) -> None:
    recovering.logs.low[name] = 1
    with pytest.raises(BrokerError, match=f"{name}.* begins at offset 1, but 0 is needed"):
        recovering.start()
    partition, outcomes = recovering.start(accept_loss=True)
    assert (outcomes, partition.joiner.open) == ([], 0)
    recovering.logs.add(DECISIONS, decision("late", NOW))
    assert recovering.start(accept_loss=True)[0].joiner.counts == {"late_decisions": 1}


def test_a_log_that_is_shorter_than_before_is_noticed(recovering: Recovering) -> None:
    recovering.logs.records[DECISIONS].pop()
    with pytest.raises(BrokerError, match="was read up to offset 2, but goes on with 1"):
        recovering.start()


@pytest.mark.parametrize("stored", [b"{", b'{"steps":[]}', b'{"steps":[[1]]}'])
def test_a_checkpoint_that_cannot_be_read_is_an_error_unless_the_loss_is_accepted(
    recovering: Recovering, stored: bytes
) -> None:
    recovering.store(stored)
    with pytest.raises(BrokerError, match=r"the last checkpoint in joiner-checkpoints\[0\] cannot be read"):
        recovering.start()
    assert recovering.start(accept_loss=True)[0].joiner.open == 1


def test_a_step_is_stored_before_its_outcomes_are_published(rules: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, producer, failures = Logs(), Producer(), list[Exception]()
    monkeypatch.setattr(base, "RecordProducer", lambda *_, **__: producer)
    monkeypatch.setattr(joiner_processor, "LogReader", lambda _: logs)
    monkeypatch.setattr(joiner_processor, "ENDED", 0.0)
    now = time.time_ns() // 1_000_000

    async def run() -> None:
        processor = joiner_processor.JoinerProcessor(WorkerContext(settings=rules, fail=failures.append))
        processor.assigned({name: {0} for name in INPUTS})
        await eventually(lambda: processor.ready, "it is ready")
        partition = processor._partitions[0]
        await processor.work([record(DECISIONS, 0, decision("r", now - 600_000), now - 600_000)])
        logs.records[DECISIONS] = [None]
        partition.taken_at = dict.fromkeys(INPUTS, float("-inf"))
        producer.broken = True
        (step,) = processor.timers()
        await processor.run_timer(step)
        assert contracts.OUTCOMES not in producer.published
        assert isinstance(failures.pop(), BrokerError)
        producer.broken, processor._failed = False, False
        await processor.run_timer(step)
        await processor.close()

    asyncio.run(run())
    assert failures == []
    assert list(producer.published) == [contracts.JOINER_CHECKPOINTS, contracts.OUTCOMES]
    (key, outcome, number, _), *rest = producer.published[contracts.OUTCOMES]
    assert (key, number, rest) == (b"u", 0, [])
    assert msgspec.json.decode(outcome, type=Outcome).request_id == "r"
    stored = producer.published[contracts.JOINER_CHECKPOINTS][-1]
    assert (stored[0], stored[2]) == (b"0", 0)
    assert msgspec.json.decode(stored[1], type=JoinerCheckpoint).steps[-1].taken.decisions == 1


def test_only_partitions_whose_inputs_are_all_ours_are_taken(rules: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "RecordProducer", lambda *_, **__: Producer())
    monkeypatch.setattr(joiner_processor, "LogReader", lambda _: Logs())
    failures: list[Exception] = []

    async def run() -> None:
        processor = joiner_processor.JoinerProcessor(WorkerContext(settings=rules, fail=failures.append))
        processor.assigned({DECISIONS: {0, 1, 2}, IMPRESSIONS: {0, 2}, ACCEPTED: {0, 1}})
        assert set(processor._partitions) == {0}
        await eventually(lambda: processor.ready, "it is ready")
        await processor.close()

    asyncio.run(run())


def test_clicks_that_no_sessionizer_has_accepted_hide_no_others(
    rules: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged position would make all later clicks repeats."""
    logs, producer, failures = Logs(), Producer(), list[Exception]()
    monkeypatch.setattr(base, "RecordProducer", lambda *_, **__: producer)
    monkeypatch.setattr(joiner_processor, "LogReader", lambda _: logs)
    logs.records[contracts.CLICKS] = [None]

    async def run() -> None:
        processor = joiner_processor.JoinerProcessor(WorkerContext(settings=rules, fail=failures.append))
        processor.assigned({name: {0} for name in INPUTS})
        await eventually(lambda: processor.ready, "it is ready")
        await processor.work([record(ACCEPTED, n, click(at, NOW, "a")) for n, at in enumerate((10**9, 5, 5))])
        assert processor._partitions[0].joiner.counts == {"duplicate_clicks": 1}
        await processor.close()

    asyncio.run(run())
    assert failures == []
    assert [letter.reason for letter in producer.letters()] == ["unknown_position"]
