"""Batches of a Faust stream that are acknowledged when they have been worked off, and only then.

Faust's own ``take`` acknowledges a batch also when its reader failed or was cancelled in the middle of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from streams.dead_letters import Record
from streams.records import of_faust


async def batches(stream: Any, *, size: int, within: float) -> AsyncGenerator[list[Record], None]:
    """Up to ``size`` records, as many as come within ``within`` seconds of the first.

    A batch is acknowledged when the next one is asked for.
    """
    queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=2 * size)

    async def pump() -> None:
        async for event in stream.noack().events():
            await queue.put(event)

    pumping = asyncio.create_task(pump())
    try:
        while True:
            events = await _collect(queue, pumping, size, within)
            if not events:
                return
            yield [of_faust(event.message) for event in events]
            for event in events:
                event.ack()
    finally:
        pumping.cancel()


async def _collect(queue: asyncio.Queue[Any], pumping: asyncio.Task[None], size: int, within: float) -> list[Any]:
    """One batch; an empty one when the stream has ended."""
    getting = asyncio.create_task(queue.get())
    try:
        await asyncio.wait({getting, pumping}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            pumping.result()
            return []
        events = [getting.result()]
    finally:
        getting.cancel()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while len(events) < size:
        try:
            events.append(queue.get_nowait())
        except asyncio.QueueEmpty:
            left = deadline - loop.time()
            if left <= 0:
                break
            await asyncio.sleep(min(left, 0.005))
    return events
