"""Trying again, ever more slowly, what another service could not do just now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import Counter

T = TypeVar("T")
FIRST, LONGEST = 0.1, 5.0

log = logging.getLogger(__name__)


async def persist(
    call: Callable[[], Awaitable[T]], *, on: type[Exception], retries: Counter, first: float = FIRST
) -> T:
    """Call until it succeeds.

    After each ``on`` it waits twice as long as before, at most ``LONGEST`` seconds; at least as long as the error's
    attribute ``retry_after`` says, if it has one.
    """
    pause = first
    while True:
        try:
            return await call()
        except on as error:
            retries.inc()
            wait = max(pause, getattr(error, "retry_after", 0.0))
            log.warning("trying again in %.1f s: %s", wait, error)
        await asyncio.sleep(wait)
        pause = min(2 * pause, LONGEST)
