"""Waits for as long as something happens, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

STALLED = 60.0
"""Seconds without progress after which nobody waits any longer."""

LONGEST = 900.0
"""Seconds after which nobody waits any longer, whatever happens."""


LOOK = 0.5
"""Seconds between two looks at the progress, which may cost much more than a look at what is waited for."""


class StalledError(Exception):
    """What was waited for did not come; the message says how long nothing had changed."""


def wait_until(
    done: Callable[[], bool],
    *,
    progress: Callable[[], Hashable],
    stalled: float = STALLED,
    longest: float = LONGEST,
    pause: float = 0.1,
) -> None:
    """Call ``done`` again and again until it says True.

    A busy machine takes longer, so it is not the time that counts, but whether something still happens: the wait goes
    on while ``progress`` keeps changing.

    Args:
        done: what is waited for; what it raises ends the wait.
        progress: a value that changes while something happens, such as ``work_of`` a process; asked for every ``LOOK``
            seconds, and before the wait is given up.
        stalled: seconds without a change after which to give up.
        longest: seconds after which to give up in any case.
        pause: seconds between two calls of ``done``; more after a call that took long, so that a wait takes no more
            than half of a core from what is waited for, but no more than ``LOOK``.

    Raises:
        StalledError: it was given up.
    """
    started = changed = looked = time.monotonic()
    last = progress()
    while True:
        asked = time.monotonic()
        if done():
            return
        now = time.monotonic()
        if now - looked >= LOOK or now - changed > stalled:
            value, looked = progress(), now
            if value != last:
                last, changed = value, now
        if now - changed > stalled:
            raise StalledError(f"nothing has happened for {now - changed:.0f} s")
        if now - started > longest:
            raise StalledError(f"it has taken more than {longest:.0f} s")
        time.sleep(max(pause, min(now - asked, LOOK)))
