"""Times and types of the events in requests: the rules of the stream, in its words."""

from __future__ import annotations

import time
from collections.abc import Callable

from mos_online.sessions import SessionConfig
from mos_online.sessions.rejection import Rejected, absurd_timestamp, future_timestamp, rejected_event_type
from serving.http.api import EventsRequest, RecommendRequest
from serving.http.problem import Problem

_TIME = "send the time of the event in milliseconds since 1970 UTC"
_TYPE = "leave the event out, or send a type that the server takes"


def now_ms() -> int:
    """The time now, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class StreamRules:
    """Refuses what the stream refuses: seconds for milliseconds, times ahead of the arrival, and rejected types.

    Attributes:
        types: what the types of events mean.
    """

    def __init__(self, config: SessionConfig, *, clock: Callable[[], int] = now_ms) -> None:
        """Take the rules of the stream; ``clock`` says when a request arrives, in milliseconds since 1970 UTC."""
        self.types = config.types
        self._config = config
        self._clock = clock

    def check(self, request: RecommendRequest, path: str) -> None:
        """Check every event in a request; ``path`` is where it stands in the body, such as ``$``.

        Raises:
            Problem: 422, with the stream's reason as its code; or an event is later than the moment to recommend for.
        """
        now = self._clock()
        believed, moment = self._believed(now), request.timestamp
        if moment is not None and moment not in believed:
            raise self._incredible(moment, now, f"{path}.timestamp")
        for index, event in enumerate(request.events):
            if event.timestamp not in believed:
                raise self._incredible(event.timestamp, now, f"{path}.events[{index}].timestamp")
            if moment is not None and event.timestamp > moment:
                raise Problem(
                    422,
                    "invalid",
                    f"an event is later ({event.timestamp}) than the moment to recommend for ({moment}) "
                    f"- at `{path}.events[{index}].timestamp`",
                    fix="leave such events out, or send a later `timestamp` (or none: now)",
                )
            if self.types[event.event_type].kind == "reject":
                raise _refused(rejected_event_type(event.event_type), f"{path}.events[{index}].event_type", _TYPE)

    def check_events(self, request: EventsRequest) -> None:
        """Check every click and impression in a request.

        Raises:
            Problem: 422, with the stream's reason as its code.
        """
        now = self._clock()
        believed = self._believed(now)
        for index, click in enumerate(request.clicks):
            if click.timestamp not in believed:
                raise self._incredible(click.timestamp, now, f"$.clicks[{index}].timestamp")
            if self.types[click.event_type].kind == "reject":
                raise _refused(rejected_event_type(click.event_type), f"$.clicks[{index}].event_type", _TYPE)
        for index, impression in enumerate(request.impressions):
            if impression.timestamp not in believed:
                raise self._incredible(impression.timestamp, now, f"$.impressions[{index}].timestamp")

    def _believed(self, now: int) -> range:
        """The times that an event may have."""
        return range(self._config.min_timestamp, now + self._config.max_future + 1)

    def _incredible(self, timestamp: int, now: int, where: str) -> Problem:
        config = self._config
        if timestamp > now + config.max_future:
            return _refused(future_timestamp(timestamp, now, allowed=config.max_future), where)
        return _refused(absurd_timestamp(timestamp, config), where)


def _refused(rejected: Rejected, where: str, fix: str = _TIME) -> Problem:
    return Problem(
        422,
        rejected.reason,
        f"{rejected.message} - at `{where}`",
        fix=fix,
    )
