"""The processor: it owns a ``SessionizerPartition`` for each partition of ``clicks`` that Kafka assigns to it."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat
from mos_online.errors import BrokerUnavailableError
from streams import metrics
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record
from streams.processors.base import Processor, Timer, WorkerContext
from streams.processors.sessionizer.partition import SessionizerPartition

PERIOD = 1.0
"""Seconds between two checkpoints."""

TICK = 0.25
"""Seconds between two looks whether the wall clock lets a session of a quiet partition close."""

LAST_CHECKPOINT_TIMEOUT = 5.0
"""Seconds that a rebalance waits for the last checkpoints."""

log = logging.getLogger(__name__)


class SessionizerProcessor(Processor[list[Click] | Heartbeat]):
    """Gives records to their partitions, and stores checkpoints.

    Open sessions are in memory. After a restart the log and a small checkpoint bring them back (docs/adr/0001).
    Every record reaches its partition, because its offset and its time of arrival count even if its value is of no
    use. So the partition decodes and writes the dead letters itself; ``Processor.read`` is not used.
    """

    name = "sessionizer"
    topic = contracts.CLICKS
    outputs = (
        contracts.SESSIONS,
        contracts.LATE_EVENTS,
        contracts.ACCEPTED_CLICKS,
        contracts.SESSIONIZER_CHECKPOINTS,
    )
    batch_size = 500

    def __init__(self, context: WorkerContext) -> None:
        super().__init__(context)
        self._reader = LogReader(context.settings)
        self._restorers = ThreadPoolExecutor(2, "restore")  # of their own: a long restore must not hold up others
        self._partitions: dict[int, SessionizerPartition] = {}
        self._revoked: dict[int, SessionizerPartition] = {}
        self._changed = asyncio.Event()
        self._restoring: dict[asyncio.Task[None], SessionizerPartition] = {}
        self._storing = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether every partition that is ours has been restored."""
        return all(partition.restored for partition in self._partitions.values())

    def decode(self, value: bytes | None) -> list[Click] | Heartbeat:
        """One click, an envelope of clicks, or a heartbeat."""
        return contracts.decode_clicks(value)

    def timers(self) -> tuple[Timer, ...]:
        """Let the wall clock close sessions, and store checkpoints."""
        return (
            Timer(name="tick", seconds=TICK, action=self._tick),
            Timer(name="checkpoint", seconds=PERIOD, action=self._checkpoint),
        )

    def on_assigned(self, partitions: set[int]) -> None:
        """Start to restore these partitions."""
        for number in sorted(partitions):
            partition = self._revoked.get(number) or self._new(number)
            partition.restored = False
            self._partitions[number] = partition
            task = asyncio.create_task(self._restore(partition))
            self._restoring[task] = partition
            task.add_done_callback(self._restoring.pop)
        self._revoked = {}

    async def on_revoked(self) -> None:
        """Store the last checkpoints and keep the partitions aside: they may well be ours again in a moment."""
        try:
            await asyncio.wait_for(self._store(), LAST_CHECKPOINT_TIMEOUT)
        except TimeoutError:
            log.warning("no checkpoints within %.0f s; the next owner begins with older ones", LAST_CHECKPOINT_TIMEOUT)
        self._give_up_restoring()
        self._revoked = {number: p for number, p in self._partitions.items() if p.restored}
        self._partitions = {}

    async def on_close(self) -> None:
        """Deliver what has been published and store the last checkpoints, which saves the next start a re-read."""
        self._give_up_restoring()
        await self._store()
        self._restorers.shutdown(wait=False)
        self._reader.close()

    def _give_up_restoring(self) -> None:
        for task, partition in self._restoring.items():
            partition.wanted = partition.restored
            if not partition.restored:
                task.cancel()

    async def delivered(self) -> None:
        """Do not wait: what is not delivered when the worker ends is made again from the last checkpoint on."""
        await self.producer.relieve()

    def _new(self, number: int) -> SessionizerPartition:
        return SessionizerPartition(
            self.settings, self.producer, number, decode=self.decode, dead_letters=self.dead_letters
        )

    async def _restore(self, partition: SessionizerPartition) -> None:
        """Restore a partition, however often Kafka goes away meanwhile: each time it goes on from where it was."""
        try:
            await self.reach_outputs({partition.number})
            await self._kafka.call(lambda: self._reread(partition))
            await self._store()
        except Exception as error:
            if partition.wanted:
                self.fail(error)
        else:
            self._changed.set()
            self._changed = asyncio.Event()

    async def _reread(self, partition: SessionizerPartition) -> None:
        loop, accept = asyncio.get_running_loop(), self.context.accept_loss

        def secure() -> None:
            securing = asyncio.run_coroutine_threadsafe(self._secure(partition), loop)
            while partition.wanted:  # else the loop may have ended
                with suppress(TimeoutError):
                    return securing.result(1.0)

        if not partition.wanted:
            return
        await self._claim(partition)
        plan = await loop.run_in_executor(self._restorers, lambda: partition.plan(self._reader, accept_loss=accept))
        await self._secure(partition)  # the first checkpoint of the term comes before the first record
        lease = self.context.lease
        await loop.run_in_executor(self._restorers, lambda: partition.reread(self._reader, plan, secure, lease=lease))

    async def work(self, records: list[Record]) -> None:
        """Give the records to their partitions, once those have been restored."""
        for number, some in groupby(records, lambda record: record.partition):
            partition = self._partitions.get(number)
            while partition is None or not partition.restored:
                await self._changed.wait()
                partition = self._partitions.get(number)
            async with partition.lock:
                if partition.unsecured is not None:  # decided, and not done because the partition was hardly ours
                    await self._secure(partition)
                    partition.tick()
                for batch in partition.batches(some):
                    now = time.time_ns() // 1_000_000
                    if partition.decide(batch, now) or not self.context.lease.held:
                        await self._secure(partition)
                    partition.take(batch, now)

    async def _tick(self) -> None:
        """Let the wall clock pass, unless records that came before now are still on their way to us."""
        now = time.time_ns() // 1_000_000
        idle: list[tuple[SessionizerPartition, int]] = []
        for partition in [partition for partition in self._partitions.values() if partition.restored]:
            partition.publish_accepted()
            begin = partition.sessionizer.next_offset
            if partition.sessionizer.due(now) is not None and not await self._records_wait(partition.number, begin):
                idle.append((partition, begin))
        if idle:
            await self._move(idle, now)
        await self.producer.relieve()

    async def _records_wait(self, number: int, begin: int) -> bool:
        reader, topic = self._reader, self.settings.topic(self.topic)
        try:
            _, high = await asyncio.to_thread(reader.bounds, topic, number)
            return begin < high and await asyncio.to_thread(reader.has_records, topic, number, begin, high)
        except BrokerUnavailableError as error:  # nobody knows what waits there; the next tick asks again
            log.warning("the wall clock closes no sessions of partition %d for now: %s", number, error)
            return True

    async def _move(self, idle: list[tuple[SessionizerPartition, int]], now: int) -> None:
        """Let the wall clock close sessions of partitions that were idle at these offsets.

        The decision is durable before anything that follows is published. Until then no record is taken.
        """
        moved: list[SessionizerPartition] = []
        async with self._storing:
            await self.producer.flush()
            try:
                for partition, begin in idle:
                    unchanged = not partition.lock.locked() and partition.sessionizer.next_offset == begin
                    if unchanged and self._holds(partition) and partition.move(now):
                        await partition.lock.acquire()  # it is free
                        moved.append(partition)
                        partition.store_unsecured()
                await self.producer.flush()
                for partition in moved:
                    if self._holds(partition):  # so the checkpoint came before any of a later owner, who has seen it
                        partition.unsecured = None
                        partition.tick()
            finally:
                for partition in moved:
                    partition.lock.release()

    def _owns(self, partition: SessionizerPartition) -> bool:
        return self._partitions.get(partition.number) is partition

    def _holds(self, partition: SessionizerPartition) -> bool:
        """Whether it is ours, and surely nobody else's: the process may have been paused since Kafka gave it to us."""
        return self._owns(partition) and self.context.lease.held

    async def _checkpoint(self) -> None:
        restored = [partition for partition in self._partitions.values() if partition.restored]
        for partition in restored:
            partition.measure()
        metrics.OPEN_SESSIONS.set(sum(p.sessionizer.open_users for p in restored))
        metrics.OPEN_EVENTS.set(sum(p.sessionizer.open_events for p in restored))
        await self._store()

    async def _claim(self, partition: SessionizerPartition) -> None:
        """Begin a term of the partition.

        Raises:
            CancelledError: the partition is not ours any more.
        """
        async with self._storing:
            await self.producer.flush()
            if not self._owns(partition):
                raise asyncio.CancelledError
            partition.claim()
            await self.producer.flush()

    async def _secure(self, partition: SessionizerPartition) -> None:
        """Make what a partition has decided durable, after all that was published before; wait until it is surely ours.

        Raises:
            CancelledError: the partition is not ours any more.
        """
        while not await self._secured(partition):
            await asyncio.sleep(TICK)

    async def _secured(self, partition: SessionizerPartition) -> bool:
        async with self._storing:
            if partition.unsecured is not None:
                await self.producer.flush()
                if self._holds(partition):
                    partition.store_unsecured()
                    await self.producer.flush()
            if not self._owns(partition):
                raise asyncio.CancelledError
            if self.context.lease.held:  # else a later owner may not have seen the checkpoint
                partition.unsecured = None
                return True
            return False

    async def _store(self) -> None:
        """Checkpoint what has changed, after all that was published before has been delivered."""
        async with self._storing:
            settled = [p for p in self._partitions.values() if p.restored and p.unsecured is None]
            made = [(partition, partition.checkpoint()) for partition in settled]
            await self.producer.flush()
            for partition, checkpoint in made:
                if checkpoint is not None and self._holds(partition):
                    partition.store(checkpoint)
            await self.producer.flush()
