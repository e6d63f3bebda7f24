"""Whatever is fetched, lost, acknowledged and reassigned in which order: commits are right, and nothing slips past."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    CommitFailedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaTimeoutError,
    UnknownTopicOrPartitionError,
)
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.settings import Settings
from streams.kafka.records import Record
from streams.processors.base import WorkerContext
from streams.runtime.app import faust_app
from streams.runtime.transport import FetchConsumer
from tests.examples import SHARED_FIXTURE

PARTITIONS = [TP("clicks", number) for number in range(2)]


@dataclass
class Broker:
    """Two partitions, their committed offsets, and the part of a consumer that runs in Faust's consumer thread.

    Attributes:
        logs: the offsets that hold records; between them are marks of transactions, or what compaction removed.
        sizes: most records in the next fetches, in turn.
        accepts: whether a commit succeeds.
    """

    logs: dict[TP, list[int]]
    sizes: list[int]
    committed: dict[TP, int] = field(default_factory=dict)
    ours: set[TP] = field(default_factory=set)
    position: dict[TP, int] = field(default_factory=dict)
    accepts: bool = True
    _fetches: int = 0

    def assignment(self) -> set[TP]:
        return set(self.ours)

    def assign(self, partitions: set[TP]) -> None:
        self.ours = set(partitions)
        self.position = {tp: self.committed.get(tp, 0) for tp in partitions}

    def highwater(self, tp: TP) -> int:
        return self.logs[tp][-1] + 1 if self.logs[tp] else 0

    async def seek_to_committed(self) -> dict[TP, int | None]:
        seeking = asyncio.create_task(self._seek_to_committed())
        return await asyncio.shield(seeking)  # a thread goes on when nobody waits for it

    async def _seek_to_committed(self) -> dict[TP, int | None]:
        found = {tp: self.committed.get(tp) for tp in self.ours}
        await self.answer()
        self.position.update({tp: offset or 0 for tp, offset in found.items()})
        await self.answer()
        return found

    async def answer(self) -> None:
        """Answers take no time, unless a test says so."""

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 0)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        return {tp: self.highwater(tp) for tp in partitions}

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.accepts:
            self.committed.update(offsets)
        await self.answer()
        return self.accepts

    async def getmany(self, active: set[TP], timeout: float) -> dict[TP, list[Record]]:
        found: dict[TP, list[Record]] = {}
        for tp in sorted(active):
            if self.position[tp] > self.highwater(tp):  # out of range
                self.position[tp] = 0
            self._fetches += 1
            size = self.sizes[self._fetches % len(self.sizes)]
            offsets = [offset for offset in self.logs[tp] if offset >= self.position[tp]][:size]
            if offsets:
                self.position[tp] = offsets[-1] + 1
                found[tp] = [record(tp, offset) for offset in offsets]
        return found


def record(tp: TP, offset: int) -> Record:
    return Record(topic=tp.topic, partition=tp.partition, offset=offset, key=None, value=b"", timestamp=0)


class Reader:
    """A consumer on such a broker, and everything it has been given."""

    def __init__(
        self, home: Path, broker: Broker, *, accept_loss: bool = False, fail: Callable[[Exception], None] | None = None
    ) -> None:
        self.failures: list[Exception] = []
        settings = Settings.load(home=home, kafka="127.0.0.1:1")
        context = WorkerContext(settings=settings, fail=fail or self.failures.append, accept_loss=accept_loss)
        app = faust_app(context.settings, "sessionizer", partitions=2, context=context)
        self.broker = broker
        self.given: dict[TP, list[Any]] = {tp: [] for tp in PARTITIONS}
        self.consumer: FetchConsumer = app.transport.create_consumer(
            callback=self._take, on_partitions_revoked=self._nothing, on_partitions_assigned=self._nothing
        )
        self.consumer._thread.thread_loop.close()
        self.consumer._thread = broker
        self.seen: dict[TP, set[int]] = {tp: set() for tp in PARTITIONS}

    async def _take(self, message: Any) -> None:
        self.given[message.tp].append(message)
        self.seen[message.tp].update(one.offset for one in message.value)

    async def _nothing(self, *_: object) -> None:
        """Faust's own callbacks pause and resume; here everything flows."""

    async def rebalance(self, partitions: set[TP]) -> None:
        await self.consumer.on_partitions_revoked(self.broker.assignment())
        self.given = {tp: [] for tp in PARTITIONS}
        self.broker.assign(partitions)
        await self.consumer.on_partitions_assigned(set(partitions))
        if partitions:
            await self.consumer.perform_seek()

    async def fetch(self) -> None:
        """One round of Faust's fetcher."""
        rounds = iter((False, True))
        await self.consumer._drain_messages(SimpleNamespace(_stopped=SimpleNamespace(is_set=lambda: next(rounds))))

    def acknowledge(self, tp: TP, number: int) -> None:
        waiting = [message for message in self.given[tp] if not message.acked]
        if waiting:
            self.consumer.ack(waiting[number % len(waiting)])

    def worked_off(self, tp: TP) -> int | None:
        """The offset behind the last record before which there is none that has not been worked off."""
        end = None
        for message in self.given[tp]:
            if not message.acked:
                break
            end = message.offset + 1
        return end


LOGS = st.lists(st.integers(1, 3), max_size=30).flatmap(
    lambda steps: st.sampled_from([0, 1, 7]).map(lambda start: [start + sum(steps[:n]) for n in range(len(steps))])
)
ACTIONS = st.lists(
    st.one_of(
        st.just(("fetch",)),
        st.tuples(st.just("ack"), st.sampled_from(PARTITIONS), st.integers(0, 50)),
        st.tuples(st.just("commit"), st.booleans()),
        st.tuples(st.just("rebalance"), st.sets(st.sampled_from(PARTITIONS))),
        st.just(("seek",)),
    ),
    max_size=40,
)


@settings(
    max_examples=150,
    suppress_health_check=SHARED_FIXTURE,
    deadline=None,
)
@given(
    logs=st.tuples(LOGS, LOGS),
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    begin=st.tuples(*[st.one_of(st.none(), st.integers(0, 40))] * 2),
    actions=ACTIONS,
)
def test_what_was_acknowledged_is_committed_and_nothing_else(
    tmp_path: Path,
    logs: tuple[list[int], list[int]],
    sizes: list[int],
    begin: tuple[int | None, int | None],
    actions: list[tuple[Any, ...]],
) -> None:
    async def run() -> None:
        broker = Broker(logs=dict(zip(PARTITIONS, logs, strict=True)), sizes=sizes)
        first = {
            tp: min(offset, broker.highwater(tp))
            for tp, offset in zip(PARTITIONS, begin, strict=True)
            if offset is not None
        }
        broker.committed.update(first)
        reader = Reader(tmp_path, broker)
        await reader.rebalance(set(PARTITIONS))
        for name, *arguments in actions:
            if name == "fetch":
                await reader.fetch()
            elif name == "ack":
                reader.acknowledge(*arguments)
            elif name == "commit":
                await commit(reader, accepted=arguments[0])
            elif name == "rebalance":
                await reader.rebalance(arguments[0])
            elif broker.ours:
                await seek(reader)
        await finish(reader)
        for tp in PARTITIONS:
            wanted = {offset for offset in broker.logs[tp] if offset >= first.get(tp, 0)}
            assert reader.seen[tp] >= wanted, "a record was never given to anybody"
            assert broker.committed.get(tp) == (broker.highwater(tp) if wanted else first.get(tp))

    asyncio.run(run())


async def commit(reader: Reader, *, accepted: bool) -> None:
    broker, before = reader.broker, dict(reader.broker.committed)
    broker.accepts = accepted
    await reader.consumer.commit()
    for tp in PARTITIONS:
        end = reader.worked_off(tp) if accepted and tp in broker.ours else None
        assert broker.committed.get(tp) == (before.get(tp) if end is None else end)
    broker.accepts = True


async def seek(reader: Reader) -> None:
    """As Faust does when records come while the flow is stopped: it goes back to what was committed."""
    reader.given = {tp: [] for tp in PARTITIONS}
    await reader.consumer.perform_seek()


async def finish(reader: Reader) -> None:
    """Fetch, work off and commit all that there is."""
    await reader.rebalance(set(PARTITIONS))
    while any(reader.broker.position[tp] < reader.broker.highwater(tp) for tp in PARTITIONS):
        await reader.fetch()
    for tp in PARTITIONS:
        for message in reversed(reader.given[tp]):  # the order does not matter
            reader.consumer.ack(message)
    await reader.consumer.commit()


class Refusing:
    """In place of aiokafka's consumer."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def commit(self, offsets: object) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "done", "crashes"),
    [
        (None, True, False),
        (CommitFailedError("rebalanced"), False, False),
        (IllegalStateError("no partition"), False, False),
        (KafkaTimeoutError(), False, False),
        (UnknownTopicOrPartitionError(), False, False),
        (GroupAuthorizationFailedError(), False, True),
    ],
)
def test_only_what_no_waiting_mends_ends_the_consumer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None, done: bool, crashes: bool
) -> None:
    async def run() -> None:
        reader = Reader(tmp_path, Broker(logs={}, sizes=[1]))
        thread, crashed = reader.consumer._new_consumer_thread(), []

        async def crash(reason: Exception) -> None:
            crashed.append(reason)

        monkeypatch.setattr(thread, "crash", crash)
        monkeypatch.setattr(thread, "assignment", lambda: {PARTITIONS[0]})
        monkeypatch.setattr(thread, "_ensure_consumer", lambda: Refusing(error))
        assert await thread._commit({PARTITIONS[0]: 5}) is done
        assert crashed == ([error] if crashes else [])
        assert not await thread._commit({PARTITIONS[1]: 5}), "a partition that is not ours is never committed"
        thread.thread_loop.close()

    asyncio.run(run())


@pytest.mark.parametrize("committed", [None, 4])
def test_what_was_fetched_before_a_rebalance_may_come_after_it_and_once_more(
    tmp_path: Path, committed: int | None
) -> None:
    """The fetch was under way while Kafka gave the partitions anew: no log has become shorter."""
    tp = PARTITIONS[0]

    async def run() -> None:
        broker = Broker(logs={tp: list(range(9)), PARTITIONS[1]: []}, sizes=[20])
        reader = Reader(tmp_path, broker)
        if committed is not None:
            broker.committed[tp] = committed
        await reader.rebalance(set(PARTITIONS))
        start = committed or 0
        reader.consumer._to_message(tp, [record(tp, offset) for offset in range(start, 7)])
        await reader.fetch()
        assert not reader.failures
        assert reader.seen[tp] == set(range(start, 9))

    asyncio.run(run())


class SlowBroker(Broker):
    """Each answer comes after so many turns of the event loop."""

    turns: Iterator[int] = iter(())

    async def answer(self) -> None:
        for _ in range(next(self.turns, 0)):
            await asyncio.sleep(0)


@settings(max_examples=60, suppress_health_check=SHARED_FIXTURE, deadline=None)
@given(turns=st.lists(st.integers(0, 9), min_size=8, max_size=30), given_up=st.integers(0, 9))
def test_seeks_and_commits_that_overlap_move_nothing_back(tmp_path: Path, turns: list[int], given_up: int) -> None:
    """Faust throws away what was fetched while the new partitions come, and may give up a seek that is under way."""
    tp = PARTITIONS[0]

    def fail(error: Exception) -> None:
        raise AssertionError(f"nothing was lost: {error}")

    async def run() -> None:
        broker = SlowBroker(logs={tp: list(range(40)), PARTITIONS[1]: []}, sizes=[3])
        reader = Reader(tmp_path, broker, fail=fail)
        await reader.rebalance(set(PARTITIONS))
        broker.turns = iter(turns)
        for _ in range(4):
            await reader.fetch()
            reader.acknowledge(tp, 0)
            others: list[asyncio.Task[Any]] = [asyncio.create_task(reader.consumer.perform_seek())]
            others.append(asyncio.create_task(reader.consumer.force_commit()))
            for _ in range(given_up):
                await asyncio.sleep(0)
            others[0].cancel()
            await reader.consumer.perform_seek()
            for _ in range(3):
                await reader.fetch()
                reader.acknowledge(tp, 0)
                await reader.consumer.force_commit()
            await asyncio.wait(others)
        await finish(reader)
        assert reader.seen[tp] == set(range(40))

    asyncio.run(run())


class Assigned:
    """In place of aiokafka's consumer, whose partitions become others while it asks for a committed offset."""

    def __init__(self, *assignments: dict[str, int | None]) -> None:
        self.left = list(assignments)
        self.sought: dict[TP, int] = {}
        self._now: dict[TP, int | None] = {}
        self._become()

    def _become(self) -> None:
        self._now = {TP(topic, 0): offset for topic, offset in self.left.pop(0).items()}
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=object()))

    def assignment(self) -> set[TP]:
        return set(self._now)

    async def committed(self, tp: TP) -> int | None:
        answer = self._now[tp]
        if self.left:
            self._become()
            self._now.setdefault(tp, None)
        return answer

    def seek(self, tp: TP, offset: int) -> None:
        self.sought[tp] = offset

    async def seek_to_beginning(self, *tps: TP) -> None:
        self.sought.update(dict.fromkeys(tps, 0))


@pytest.mark.parametrize(
    ("assignments", "committed"),
    [
        ([{"a": 5, "b": None, "c": 0}], {"a": 5, "b": None, "c": None}),
        ([{"a": 5}, {"a": 7, "b": 2669}], {"a": 7, "b": 2669}),
        ([{"a": 5}, {"a": 6}, {"a": 8, "b": None}], {"a": 8, "b": None}),
    ],
)
def test_a_seek_is_of_one_assignment(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    assignments: list[dict[str, int | None]],
    committed: dict[str, int | None],
) -> None:
    """A partition that comes while the offsets of the others are asked for has its own: it is not new."""
    broker = Assigned(*assignments)

    async def run() -> None:
        thread = Reader(tmp_path, Broker(logs={}, sizes=[1])).consumer._new_consumer_thread()
        monkeypatch.setattr(thread, "_ensure_consumer", lambda: broker)
        assert await thread._seek_to_committed() == {TP(topic, 0): at for topic, at in committed.items()}
        thread.thread_loop.close()

    asyncio.run(run())
    assert broker.sought == {TP(topic, 0): at or 0 for topic, at in committed.items()}


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("accept_loss", [True, False])
def test_a_log_that_is_shorter_than_before_is_noticed(tmp_path: Path, running: bool, accept_loss: bool) -> None:
    """The topic was made anew, or a broker lost its end: under a running worker, or before its start."""
    tp = PARTITIONS[0]

    async def run() -> None:
        broker = Broker(logs={PARTITIONS[0]: list(range(9)), PARTITIONS[1]: []}, sizes=[20])
        reader = Reader(tmp_path, broker, accept_loss=accept_loss)
        if not running:
            broker.committed[tp] = 9
            broker.logs[tp] = [0, 1, 2]
        await reader.rebalance(set(PARTITIONS))
        if running:
            await finish(reader)
            assert broker.committed == {tp: 9}
            broker.logs[tp] = [0, 1, 2]
        reader.given[tp].clear()
        if accept_loss:
            await reader.fetch()
            reader.acknowledge(tp, 0)
            await reader.consumer.commit()
            assert broker.committed == {tp: 3}, "the new log is read from its beginning, and committed"
            assert not reader.failures
        else:
            await asyncio.wait({asyncio.create_task(reader.fetch())}, timeout=1)
            (failure,) = reader.failures
            assert "clicks[0] was read up to offset 9, but goes on with 0" in str(failure)
            assert not reader.given[tp]
            assert broker.committed == {tp: 9}

    asyncio.run(run())
