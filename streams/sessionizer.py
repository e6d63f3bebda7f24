"""Clicks in, closed sessions out: a Faust agent over one ``Partition`` for each partition of ``clicks``."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from mos_online import contracts
from mos_online.errors import MosError
from streams import metrics
from streams.app import raw_topic
from streams.dead_letters import Record
from streams.log import LogReader, truncated
from streams.part import Context
from streams.partition import Partition
from streams.records import of_faust

PERIOD = 1.0
"""Seconds between two ticks, and so between two checkpoints."""


class SessionizerPart:
    """See docs/adr/0001: open sessions are in memory, the log and a small checkpoint bring them back."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._topic = context.settings.topic(contracts.CLICKS)
        self._reader = LogReader(context.settings)
        self._partitions: dict[int, Partition] = {}
        self._changed = asyncio.Event()
        self._restoring: set[asyncio.Task[None]] = set()
        self._storing = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether every partition that is ours has been restored."""
        return all(partition.restored for partition in self._partitions.values())

    def register(self, app: Any) -> None:
        """Add the agent and the timer."""
        topic = raw_topic(app, self._context.settings, contracts.CLICKS)
        app.agent(topic, name="sessionizer")(self._run)
        app.timer(PERIOD, name="sessionizer-tick")(self._tick)

    def assigned(self, partitions: dict[str, set[int]]) -> None:
        """Start to restore these partitions."""
        for number in sorted(partitions.get(self._topic, set()) - self._partitions.keys()):
            partition = Partition(self._context.settings, self._context.outbox, number)
            self._partitions[number] = partition
            task = asyncio.create_task(self._restore(partition))
            self._restoring.add(task)
            task.add_done_callback(self._restoring.discard)

    def revoked(self) -> None:
        """Forget everything; the next owner has the checkpoints and the log."""
        self._partitions = {}
        self._wake()

    async def close(self) -> None:
        """Deliver what has been published and store the last checkpoints, which saves the next start a re-read."""
        await self._store()

    async def _restore(self, partition: Partition) -> None:
        try:
            await asyncio.to_thread(partition.restore, self._reader)
        except Exception as error:
            if self._partitions.get(partition.number) is partition:
                self._context.fail(error)
        else:
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run(self, stream: Any) -> None:
        try:
            async for event in stream.events():
                await self._take(event.message)
        except Exception as error:
            self._context.fail(error)
            raise

    async def _take(self, message: Any) -> None:
        partition = self._partitions.get(message.partition)
        while partition is not None and not partition.restored:
            await self._changed.wait()
            partition = self._partitions.get(message.partition)
        if partition is None:
            return  # revoked while it was on its way; the next owner gets it
        record = of_faust(message)
        if record.offset > partition.sessionizer.next_offset:
            await self._check_gap(record, partition.sessionizer.next_offset)
        partition.take(record)
        await self._context.outbox.relieve()

    async def _check_gap(self, record: Record, wanted: int) -> None:
        """Offsets of a log may have gaps (marks of transactions), but not because of retention."""
        low, _ = await asyncio.to_thread(self._reader.bounds, record.topic, record.partition)
        if wanted < low and wanted > 0:
            raise truncated(record.topic, record.partition, wanted, low)

    async def _tick(self) -> None:
        try:
            restored = [partition for partition in self._partitions.values() if partition.restored]
            for partition in restored:
                await self._advance(partition)
                partition.count()
            metrics.OPEN_SESSIONS.set(sum(p.sessionizer.open_users for p in restored))
            metrics.OPEN_EVENTS.set(sum(p.sessionizer.open_events for p in restored))
            await self._store()
        except MosError as error:
            self._context.fail(error)

    async def _advance(self, partition: Partition) -> None:
        """Let the wall clock pass, unless records that came before now are still on their way to us."""
        now = time.time_ns() // 1_000_000
        if not partition.quiet(now):
            return
        _, high = await asyncio.to_thread(self._reader.bounds, self._topic, partition.number)
        if partition.sessionizer.next_offset >= high and self._partitions.get(partition.number) is partition:
            partition.tick(now)

    async def _store(self) -> None:
        """Checkpoint what has changed, after all that was published before has been delivered."""
        async with self._storing:
            pairs = [(p, p.checkpoint()) for p in self._partitions.values() if p.restored]
            await self._context.outbox.flush()
            for partition, checkpoint in pairs:
                if checkpoint is not None and self._partitions.get(partition.number) is partition:
                    partition.store(checkpoint)
            await self._context.outbox.flush()
