"""Batches are acknowledged when their work is done, whatever interrupts it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from mos_online.errors import StoreError
from streams import metrics
from streams.kafka.records import Record
from streams.processors.batches import BatchConsumer
from streams.processors.retry import RetryPolicy
from tests.streams.stream_doubles import Stream, quiet


def fetch(*offsets: int) -> list[Record]:
    return [Record(topic="t", partition=0, offset=o, key=None, value=b"", timestamp=1) for o in offsets]


class Work:
    """Remembers the offsets of each batch; ``then`` is what it does with the nth one."""

    def __init__(self, then: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.seen: list[list[int]] = []
        self._then = then

    async def __call__(self, records: list[Record]) -> None:
        self.seen.append([record.offset for record in records])
        if self._then:
            await self._then(len(self.seen))


async def forever(_: int = 0) -> None:
    await asyncio.Event().wait()


async def drive(batches: BatchConsumer, stream: Stream, *steps: Callable[[], Awaitable[None]]) -> None:
    """Run the agent until nothing happens any more, do each step and let it settle again, then cancel the agent."""
    running = asyncio.create_task(batches.run(stream))
    for step in (lambda: asyncio.sleep(0), *steps):
        await step()
        await asyncio.sleep(0.03)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_a_fetch_is_acknowledged_after_its_last_batch() -> None:
    stream = Stream(fetch(0, 1, 2), fetch(3, 4))
    acked_before: list[list[int]] = []

    async def note(_: int) -> None:
        acked_before.append(list(stream.acked))

    work = Work(note)
    asyncio.run(drive(BatchConsumer(work, size=2), stream))
    assert work.seen == [[0, 1], [2], [3, 4]]
    assert acked_before == [[], [], [2]]
    assert stream.acked == [2, 4]


def test_fetches_that_come_together_share_a_batch() -> None:
    stream, work = Stream(fetch(0), fetch(1), fetch(2)), Work()
    asyncio.run(drive(BatchConsumer(work, size=10, within=0.01), stream))
    assert work.seen == [[0, 1, 2]]
    assert stream.acked == [0, 1, 2]


def test_what_fails_ends_the_agent_and_is_not_acknowledged() -> None:
    async def fail(_: int) -> None:
        raise ValueError("of a test")

    stream = Stream(fetch(0), fetch(1))
    with pytest.raises(ValueError, match="of a test"):
        asyncio.run(BatchConsumer(Work(fail), size=1).run(stream))
    assert stream.acked == []


def test_a_cancelled_agent_acknowledges_nothing_unfinished() -> None:
    stream = Stream(fetch(0), fetch(1))
    work = Work(lambda n: forever() if n == 2 else asyncio.sleep(0))
    asyncio.run(drive(BatchConsumer(work, size=1), stream))
    assert work.seen == [[0], [1]]
    assert stream.acked == [0]


def test_revoking_breaks_off_what_is_at_work_and_forgets_what_waits() -> None:
    stream, work = Stream(fetch(0, 1), fetch(2), fetch(3)), Work(forever)
    batches = BatchConsumer(work, size=1)
    asyncio.run(drive(batches, stream, batches.revoke))
    assert work.seen == [[0]]
    assert stream.acked == []


def test_records_delivered_again_after_a_rebalance_are_worked_off() -> None:
    stream = Stream(fetch(0, 1))
    work = Work(lambda n: forever() if n == 1 else asyncio.sleep(0))
    batches = BatchConsumer(work, size=5)

    async def deliver_again() -> None:
        stream.add(fetch(0, 1))
        stream.add(fetch(2))

    asyncio.run(drive(batches, stream, batches.revoke, deliver_again))
    assert [offset for batch in work.seen for offset in batch] == [0, 1, 0, 1, 2]
    assert stream.acked == [1, 2]


def test_a_closed_consumer_breaks_off_what_is_at_work_and_takes_nothing_any_more() -> None:
    stream, work = Stream(fetch(0, 1)), Work(forever)
    batches = BatchConsumer(work, size=1)

    async def deliver_more() -> None:
        stream.add(fetch(2))

    asyncio.run(drive(batches, stream, batches.close, deliver_more))
    assert work.seen == [[0]]
    assert stream.acked == []


def test_revoking_waits_for_what_goes_on_in_a_thread() -> None:
    began, may_end, events = threading.Event(), threading.Event(), []

    def write() -> None:
        began.set()
        may_end.wait()
        events.append("the write has ended")

    policy = RetryPolicy(on=StoreError, retries=metrics.RETRIES.labels("a-test", "store"))

    async def run() -> None:
        batches = BatchConsumer(lambda _: policy.in_thread(write), size=1)
        running = asyncio.create_task(batches.run(Stream(fetch(0))))
        await asyncio.to_thread(began.wait)
        revoked = asyncio.create_task(batches.revoke())
        revoked.add_done_callback(lambda _: events.append("it is revoked"))
        await quiet()
        may_end.set()
        await revoked
        await quiet()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    assert events == ["the write has ended", "it is revoked"]
