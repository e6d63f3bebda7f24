"""Waiting for progress instead of for seconds."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(done: Callable[[], bool], *, progress: Callable[[], int], patience: float, poll: float = 0.1) -> bool:
    """Wait until ``done``; give up when ``progress`` has not moved for ``patience`` seconds.

    Returns:
        Whether it was done.
    """
    last, since = progress(), time.monotonic()
    while not done():
        time.sleep(poll)
        now = progress()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > patience:
            return False
    return True
