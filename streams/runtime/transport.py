"""Faust's Kafka transport, with nine changes that no setting of Faust makes.

**Whole fetches.** Faust spends 70 µs on the way of one event from its consumer to an agent; the work on a click takes
three. So all records of one partition that were fetched together travel as one event: agents, commits and rebalances
are Faust's, the cost of the way is paid once for hundreds of records.

**Light records.** aiokafka makes a frozen dataclass of eleven fields of every record, which costs as much as the work
on it. Here it makes a ``Record``.

**Every record.** aiokafka never gets past a record with a header whose name is not UTF-8 (``unpacking``).

**Committed records only.** What a producer's transaction has aborted was never clicked.

**Short waits.** Faust lets the broker hold a fetch for 1.5 s. A real broker answers as soon as a record comes, but
librdkafka's mock cluster only when the wait is over, which would delay every stage by most of a second.

**Commits of ranges.** Faust commits the longest run of consecutive offsets that were acknowledged, and guesses from
jumps between offsets where the log has gaps. It guesses wrong after the offset 0, and then commits nothing any more.
Here a fetch is acknowledged as a whole (``Acknowledgements``). A commit that fails is tried again.

**One seek at a time.** In a rebalance Faust goes to the committed offsets twice, at once: when it throws away what was
fetched, and when the new partitions are there. One of them may end after the other and after the first records. Here
they wait for each other and for commits, and each sees one assignment from its beginning to its end.

**No silent losses.** When retention has dropped records that were not read yet, or the topic was made anew, aiokafka
goes on with the oldest record that is there. Here that is an error.

**Patience.** Faust ends where the broker is away when it starts. Here it waits. It has no producer of its own: our
records go through ``RecordProducer``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

from faust.transport.drivers.aiokafka import Consumer, Producer, Transport
from faust.types import TP, ConsumerMessage

from mos_online.errors import BrokerError
from streams.kafka.log_reader import shrunk, truncated
from streams.kafka.records import Record
from streams.processors.base import WorkerContext
from streams.runtime.acknowledgements import Acknowledgements
from streams.runtime.consumer_thread import PromptThread

POLL = 0.05
"""Seconds after which the consumer looks again which partitions are wanted."""

Fetched = list[Record]
"""The fetched records of one partition, in order; never empty."""

log = logging.getLogger(__name__)


class Fetches:
    """Faust's ``ConsumerScheduler``: takes what was fetched partition by partition, not record by record."""

    def iterate(self, records: Mapping[TP, Fetched]) -> Iterator[tuple[TP, Fetched]]:
        """Yield the fetches by partition; ``FetchConsumer`` makes messages of them."""
        return iter(records.items())


class NoProducer(Producer):  # type: ignore[misc]
    """Connects to nothing and has sent everything."""

    async def on_start(self) -> None:
        """There is nothing to connect to."""

    async def on_stop(self) -> None:
        """There is nothing to close."""

    async def flush(self) -> None:
        """Nothing waits."""


class _NoOffsets(dict[TP, None]):
    """In place of Faust's offsets read last, which it looks for gaps and for repeats in: it finds none."""

    def __getitem__(self, tp: TP) -> None:
        """No offset, whatever was read."""


class FetchConsumer(Consumer):  # type: ignore[misc]
    """A message's value is all that was fetched of a partition, its offset that of the last record.

    The acknowledgement of a message commits all its records, and nothing of it is committed before.

    Attributes:
        polled_at: when it last asked for records (monotonic seconds).
    """

    transport: FetchTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.polled_at = time.monotonic()
        self._wanted: dict[TP, int] = {}
        self._read_offset = _NoOffsets()
        self._acknowledgements = Acknowledgements()
        self._offsets = asyncio.Lock()

    def ack(self, message: ConsumerMessage) -> bool:
        """All records of a message have been worked off."""
        message.acked = True
        self._unacked_messages.discard(message)
        self._acknowledgements.acknowledge(message.tp, message.offset + 1)
        return True

    async def force_commit(self, topics: object = None, start_new_transaction: bool = True) -> bool:
        """Commit what has been worked off; whether there was something, and it has been committed."""
        async with self._offsets:
            offsets = {
                tp: offset
                for tp in self.assignment()
                if (offset := self._acknowledgements.committable(tp)) not in (None, self._committed_offset[tp])
            }
            if not offsets or not await self._commit(offsets):
                return False
            self._committed_offset.update(offsets)
            return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the partitions: their next owner begins at the offset committed last."""
        self._acknowledgements.forget(revoked)
        await super().on_partitions_revoked(revoked)

    def progress(self) -> tuple[int, int]:
        """Records of our partitions that have not been committed, and the sum of the committed offsets."""
        lag = total = 0
        for tp in self.assignment():
            end, committed = self.highwater(tp) or 0, self._committed_offset[tp] or 0
            total += committed
            # The last offsets may be marks of transactions: nothing that anybody gets, or commits.
            if self._wanted.get(tp, 0) > committed or self._position(tp) < end:
                lag += max(0, end - committed)
        return lag, total

    def _position(self, tp: TP) -> int:
        """Where the next fetch begins."""
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        state = assignment.state_value(tp) if assignment is not None and tp in assignment.tps else None
        return int(state.position) if state is not None and state.has_valid_position else 0

    async def perform_seek(self) -> None:
        """Go to the committed offsets, and to the beginning where there are none, as after every rebalance."""
        await asyncio.shield(self._seek_to_committed())  # the thread goes on when Faust waits no longer

    async def _seek_to_committed(self) -> None:
        async with self._offsets:
            committed = await self._thread.seek_to_committed()
            self._acknowledgements.forget(committed)
            self._committed_offset.update(committed)
            self._wanted = {tp: offset for tp, offset in committed.items() if offset is not None}

    def _new_consumer_thread(self) -> PromptThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Fetched) -> ConsumerMessage:
        last = record[-1]
        self._wanted[tp] = last.offset + 1
        self._acknowledgements.fetched(tp, last.offset + 1)
        return ConsumerMessage(
            topic=last.topic,
            partition=last.partition,
            offset=last.offset,
            timestamp=last.timestamp / 1000,
            timestamp_type=0,
            headers=None,
            key=None,
            value=record,
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _wait_next_records(self, timeout: float) -> Any:
        """Wait for ``POLL`` only: while Faust waits, it does not see that a full buffer has room again."""
        self.polled_at = time.monotonic()
        if self.flow_active and not self._get_active_partitions():
            await self.sleep(POLL)
            return {}, set()
        records, active = await super()._wait_next_records(min(timeout, POLL))
        for tp, fetched in (records or {}).items():
            wanted = self._wanted.get(tp)
            if wanted is not None and fetched[0].offset > wanted:
                await self._check_gap(tp, wanted)
            elif wanted is not None and fetched[0].offset < wanted:
                await self._check_return(tp, wanted, fetched[0].offset)
        return records, active

    async def _check_return(self, tp: TP, wanted: int, found: int) -> None:
        """Records may come again: what was fetched before a rebalance is handed out after it, and fetched once more.

        But not those before the committed offset, and not of a log that ends before what was read of it.
        """
        end = (await self.highwaters(tp))[tp]
        if end < wanted or found < (self._committed_offset[tp] or 0):
            self._lost(shrunk(tp.topic, tp.partition, wanted, found))

    async def _check_gap(self, tp: TP, wanted: int) -> None:
        """Offsets may have gaps (marks of transactions, compaction), but not because of retention."""
        low = (await self.earliest_offsets(tp))[tp]
        if low > wanted:
            self._lost(truncated(tp.topic, tp.partition, wanted, low))

    def _lost(self, error: BrokerError) -> None:
        if self.transport.context.accept_loss:
            log.error("going on without them: %s", error)
        else:
            self.stop_flow()
            self.transport.context.fail(error)


class FetchTransport(Transport):  # type: ignore[misc]
    """Set it as ``app.transport`` before the application starts."""

    Consumer = FetchConsumer
    Producer = NoProducer

    def __init__(self, *args: Any, context: WorkerContext, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context = context
