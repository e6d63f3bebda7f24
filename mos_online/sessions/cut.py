"""Where one user's events are cut into sessions: the rule itself, shared by the stream and by no one else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mos_online.contracts import SESSION_END, CloseReason, SessionEvent
from mos_online.sessions.config import SessionConfig


class Pending(NamedTuple):
    """An accepted event that waits for its session to close; sorts by (timestamp, event_id)."""

    timestamp: int
    event_id: str
    block: int
    event: SessionEvent


class Cut(NamedTuple):
    """The first session of a user's pending events.

    Attributes:
        length: how many events it has.
        reason: why it closes.
        closes_at: the lowest watermark (ms) at which no further event can change it.
    """

    length: int
    reason: CloseReason
    closes_at: int


def first_cut(pending: Sequence[Pending], config: SessionConfig) -> Cut:
    """Cut the first session off ``pending`` (non-empty, sorted).

    An event is late when it is older than the watermark, so at watermark W only events at or after W can still
    arrive: a session whose last event is older than W can grow no more at its front or middle, and one that
    ended more than a gap before W can grow no more at all.
    """
    start = pending[0].timestamp
    end_of_time = start + config.max_duration
    last = start
    for index, entry in enumerate(pending):
        timestamp = entry.timestamp
        if timestamp - last > config.gap:
            return Cut(index, "gap", last + config.gap + 1)
        if timestamp > end_of_time:
            return Cut(index, "max_duration", end_of_time + 1)
        if entry.event.event_type == SESSION_END:
            return Cut(index + 1, "end_event", timestamp + 1)
        if index + 1 == config.max_events:
            return Cut(index + 1, "max_events", timestamp + 1)
        last = timestamp
    return Cut(len(pending), "gap", last + config.gap + 1)
