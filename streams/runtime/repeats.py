"""Keeps a log readable while Kafka is away: its client complains a hundred times a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable


class RepeatFilter(logging.Filter):
    """Lets a message of some loggers pass once in ``seconds``; what differs in its arguments only is the same message.

    Args:
        prefix: the loggers with this name, and those below.
        seconds: of silence after a message.
        clock: the time in seconds.
    """

    def __init__(self, prefix: str, *, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._prefix = logging.Filter(prefix)
        self._seconds = seconds
        self._clock = clock
        self._passed: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        if not self._prefix.filter(record):
            return True
        now, message = self._clock(), (record.name, str(record.msg))
        if now - self._passed.get(message, -self._seconds) < self._seconds:
            return False
        self._passed[message] = now
        return True
