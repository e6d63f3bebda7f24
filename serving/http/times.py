"""Event times in requests: the rules of the stream, in its words."""

from __future__ import annotations

import time
from collections.abc import Callable

from mos_online.sessions import SessionConfig
from mos_online.sessions.rejection import Rejected, absurd_timestamp, future_timestamp
from serving.http.api import RecommendRequest
from serving.http.problem import Problem


def now_ms() -> int:
    """The time now, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Times:
    """Refuses times that the stream refuses: seconds for milliseconds, and times ahead of the arrival."""

    def __init__(self, config: SessionConfig, *, clock: Callable[[], int] = now_ms) -> None:
        """Take the rules of the stream; ``clock`` says when a request arrives, in milliseconds since 1970 UTC."""
        self._config = config
        self._clock = clock

    def check(self, request: RecommendRequest, path: str) -> None:
        """Check every time in a request; ``path`` is where it stands in the body, such as ``$``.

        Raises:
            Problem: 422, with the stream's reason as its code; or an event is later than the moment to recommend for.
        """
        now = self._clock()
        moment = request.timestamp
        if moment is not None:
            self._check(moment, now, f"{path}.timestamp")
        for index, event in enumerate(request.events):
            where = f"{path}.events[{index}].timestamp"
            self._check(event.timestamp, now, where)
            if moment is not None and event.timestamp > moment:
                raise Problem(
                    422,
                    "invalid",
                    f"an event is later ({event.timestamp}) than the moment to recommend for ({moment}) - at `{where}`",
                    fix="leave such events out, or send a later `timestamp` (or none: now)",
                )

    def _check(self, timestamp: int, now: int, where: str) -> None:
        config = self._config
        if timestamp > now + config.max_future:
            raise _refused(future_timestamp(timestamp, now, allowed=config.max_future), where)
        if timestamp < config.min_timestamp:
            raise _refused(absurd_timestamp(timestamp, config), where)


def _refused(rejected: Rejected, where: str) -> Problem:
    return Problem(
        422,
        rejected.reason,
        f"{rejected.message} - at `{where}`",
        fix="send the time of the event in milliseconds since 1970 UTC",
    )
