"""Gives a Faust stream to the work of one processor, in batches that are acknowledged when they are done, not before.

Faust's own ``take`` acknowledges a batch also when its reader failed or was cancelled in the middle of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from streams.kafka.records import Record

AHEAD = 4
"""Fetches that wait here for their turn; more wait in Faust's buffers, which tell the consumer to pause."""


class BatchConsumer:
    """Gives the records of one topic to ``work``, in order, one batch at a time.

    When partitions are revoked, the batch at work is broken off and nothing of its fetches is acknowledged: the next
    owner gets them. So ``work`` may wait for another service as long as it takes without holding up a rebalance.

    Args:
        work: works off a batch. It may be cancelled, and may be given records again; what it raises ends ``run``.
        size: most records in a batch.
        within: seconds to wait for more than one fetch, to make a batch of several partitions.
    """

    def __init__(self, work: Callable[[list[Record]], Awaitable[None]], *, size: int, within: float = 0.0) -> None:
        self._work = work
        self._size = size
        self._within = within
        self._waiting: asyncio.Queue[tuple[int, Any]] = asyncio.Queue(AHEAD)
        self._term = 0
        self._at_work: asyncio.Future[None] | None = None
        self._closed = False

    async def run(self, stream: Any) -> None:
        """Body of a Faust agent whose messages are fetches (``streams.runtime.transport``)."""
        tasks = {asyncio.create_task(self._read(stream)), asyncio.create_task(self._work_off())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def revoke(self) -> None:
        """Forget what is waiting and break off what is at work; returns when it has ended."""
        self._term += 1
        task = self._at_work
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def close(self) -> None:
        """Revoke, and take nothing any more: what still comes stays unacknowledged."""
        self._closed = True
        await self.revoke()

    async def _read(self, stream: Any) -> None:
        async for event in stream.noack().events():
            await self._waiting.put((self._term, event))

    async def _work_off(self) -> None:
        while True:
            term, events = await self._collect()
            records = [record for event in events for record in event.message.value]
            for start in range(0, len(records), self._size):
                if self._closed or term != self._term or not await self._done(records[start : start + self._size]):
                    break
            else:
                for event in events:
                    event.ack()

    async def _done(self, records: list[Record]) -> bool:
        """Work off a batch; False if it was broken off."""
        self._at_work = task = asyncio.ensure_future(self._work(records))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            self._at_work = None
        if task.cancelled():
            return False
        task.result()
        return True

    async def _collect(self) -> tuple[int, list[Any]]:
        """Fetches with at least ``size`` records, or what has come within ``within`` seconds of the first."""
        term, event = await self._waiting.get()
        events, count = [event], len(event.message.value)
        if self._within:
            await asyncio.sleep(self._within)
        while count < self._size and not self._waiting.empty():
            other, event = self._waiting.get_nowait()
            if other != term:
                term, events, count = other, [], 0
            events.append(event)
            count += len(event.message.value)
        return term, events
