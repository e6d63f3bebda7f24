"""Where a sequence of events is cut into sessions. The oracle states the same rule in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mos_online.contracts import CloseReason, SessionEvent
from mos_online.sessions.config import SessionConfig


class Cut(NamedTuple):
    """The first session of a sequence of events.

    Attributes:
        length: how many events it has.
        reason: why it closes.
        closes_at: the lowest watermark (ms) at which no further event can change it.
    """

    length: int
    reason: CloseReason
    closes_at: int


def first_cut(events: Sequence[SessionEvent], config: SessionConfig) -> Cut:
    """Cut the first session off ``events`` (non-empty, ordered by timestamp and event_id).

    An event is late when it is older than the watermark, so at watermark W only events at or after W can still
    arrive: a session whose last event is older than W can grow no more at its front or middle, and one that
    ended more than a gap before W, or began more than the longest duration before W, can grow no more at all.
    """
    start = last = events[0].timestamp
    length, latest = 0, start + config.max_duration
    types = config.types
    for event in events:
        timestamp = event.timestamp
        if timestamp - last > config.gap or timestamp > latest:
            break
        length += 1
        if types[event.event_type].kind == "end":
            return Cut(length, "end_event", timestamp + 1)
        if length == config.max_events:
            return Cut(length, "max_events", timestamp + 1)
        last = timestamp
    return whole_cut(length, start, last, config)


def whole_cut(length: int, start: int, last: int, config: SessionConfig) -> Cut:
    """The cut of a run without a gap, an end event or a cap: it grows until it is silent for too long, or too old."""
    silent, old = last + config.gap, start + config.max_duration
    return Cut(length, "gap", silent + 1) if silent <= old else Cut(length, "max_duration", old + 1)
