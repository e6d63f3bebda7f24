"""Keeps a consumer in its group, whatever the group answers.

aiokafka holds an unexpected answer back until somebody polls through its own ``getmany``, and joins no group before.
Faust does not poll that way, so the consumer would wait for ever, and its worker would look alive.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from aiokafka.errors import (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

PAUSE = 1.0
"""Seconds before the group is joined again."""

FATAL = (AuthenticationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)
"""Errors that no waiting mends."""

log = logging.getLogger(__name__)


def keep_in_group(coordinator: Any, crash: Callable[[BaseException], Coroutine[Any, Any, None]]) -> None:
    """Join the group again after an error that may pass, and crash on others.

    Args:
        coordinator: of an aiokafka consumer that has been started.
        crash: ends the consumer, and with it the worker.
    """

    async def go_on(error: KafkaError) -> None:
        if isinstance(error, FATAL):
            await crash(error)
            return
        log.warning("the consumer group answers %r; joining it again", error)
        coordinator.request_rejoin()
        await asyncio.wait([coordinator._closing], timeout=PAUSE)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            coordinator.crashing = asyncio.ensure_future(crash(error))

    coordinator._push_error_to_user = go_on
    coordinator._coordination_task.add_done_callback(ended)
