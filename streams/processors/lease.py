"""How long a processor can be sure that its partitions are nobody else's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def running_time() -> float:
    """Seconds of a clock that never goes back and also runs while the process, or the machine, is suspended."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """The time in which a group gives none of our partitions to another member.

    A group waits ``seconds`` (the session timeout) after it has heard of a member. So whoever was heard of by a
    request sent at a moment has the partitions until ``seconds`` later, even if it is paused meanwhile.

    >>> now = 100.0
    >>> lease = Lease(10.0, clock=lambda: now)
    >>> lease.held
    False
    >>> lease.renew(sent_at=99.0); lease.held
    True
    >>> now = 109.0
    >>> lease.held
    False
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = running_time) -> None:
        """Of a member that its group has not heard of yet.

        Args:
            seconds: the session timeout of the group.
            clock: seconds, of a clock that also runs while the process is paused.
        """
        self.clock = clock
        self._seconds = seconds
        self._until = -math.inf

    @classmethod
    def unlimited(cls) -> Lease:
        """Where there is no group."""
        lease = cls(math.inf)
        lease.renew(sent_at=0.0)
        return lease

    @property
    def held(self) -> bool:
        """Whether the partitions are ours at this moment."""
        return self.clock() < self._until

    def renew(self, *, sent_at: float) -> None:
        """The group has answered, without an error, a request that was sent at this time of ``clock``."""
        self._until = max(self._until, sent_at + self._seconds)
