"""Calls another service again, after longer and longer pauses, until it works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import Counter

T = TypeVar("T")
FIRST, LONGEST = 0.1, 5.0

log = logging.getLogger(__name__)


class RetryPolicy:
    """Calls another service until it succeeds.

    After each error it waits twice as long as before, at most ``LONGEST`` seconds; at least as long as the error's
    attribute ``retry_after`` says, if it has one.

    Args:
        on: errors after which to try again; others are raised.
        retries: counts them.
        first: seconds of the first wait.

    Attributes:
        waiting: the last error, while there is no success after it; else None.
    """

    def __init__(self, *, on: type[Exception], retries: Counter, first: float = FIRST) -> None:
        self._on = on
        self._retries = retries
        self._first = first
        self.waiting: str | None = None

    async def call(self, action: Callable[[], Awaitable[T]]) -> T:
        """Call ``action`` as often as it takes."""
        pause = self._first
        try:
            while True:
                try:
                    return await action()
                except self._on as error:
                    self._retries.inc()
                    self.waiting = str(error)
                    wait = max(pause, getattr(error, "retry_after", 0.0))
                    log.warning("trying again in %.1f s: %s", wait, error)
                await asyncio.sleep(wait)
                pause = min(2 * pause, LONGEST)
        finally:
            self.waiting = None

    async def in_thread(self, action: Callable[[], T]) -> T:
        """The same for an action that blocks; if it is cancelled, it returns when the action has ended."""
        return await self.call(lambda: to_its_end(action))


async def to_its_end(action: Callable[[], T]) -> T:
    """Do what blocks in a thread. A thread cannot be broken off, so a cancelled caller waits until it has ended.

    Otherwise a write that began before a rebalance could end after it, over what the next owner has written.
    """
    running = asyncio.ensure_future(asyncio.to_thread(action))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # it is of no interest any more
        raise
