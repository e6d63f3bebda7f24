"""Clicks and heartbeats that no session takes, because of their time or their type."""

from __future__ import annotations

from typing import NamedTuple

from mos_online.sessions.config import SessionConfig


class Rejected(NamedTuple):
    """A message that follows its contract but cannot be used; the caller sends it to the dead-letter topic.

    Attributes:
        reason: short machine-readable class of the fault, e.g. ``"future_timestamp"``.
        message: what is wrong, what is allowed and how to mend it.
    """

    reason: str
    message: str


def future_timestamp(timestamp: int, arrived_at: int, config: SessionConfig) -> Rejected:
    """The rejection of an event time (ms) more than ``config.max_future`` ahead of its arrival (ms)."""
    ahead = timestamp - arrived_at
    return Rejected(
        "future_timestamp",
        f"timestamp {timestamp} is {ahead} ms ahead of its arrival; at most {config.max_future} ms are allowed. "
        "Set the clock",
    )


def absurd_timestamp(timestamp: int, config: SessionConfig) -> Rejected:
    """The rejection of an event time (ms) before ``config.min_timestamp``, such as seconds sent for milliseconds."""
    return Rejected(
        "absurd_timestamp",
        f"timestamp {timestamp} is before {config.min_timestamp}; milliseconds since 1970 are expected, were seconds "
        "sent?",
    )


def rejected_event_type(event_type: str) -> Rejected:
    """The rejection of a click whose type the table of event types rejects."""
    return Rejected(
        "rejected_event_type",
        f"event_type {event_type!r} is rejected by MOS_EVENT_TYPES; send another type, or declare this one",
    )
