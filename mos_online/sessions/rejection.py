"""Clicks and heartbeats that no session takes, because of their time or their type."""

from __future__ import annotations

from typing import NamedTuple

from mos_online.contracts import Click, LateEvent, Session
from mos_online.sessions.config import SessionConfig


class Rejected(NamedTuple):
    """A message that follows its contract but cannot be used; the caller sends it to the dead-letter topic.

    Attributes:
        reason: short machine-readable class of the fault, e.g. ``"future_timestamp"``.
        message: what is wrong, what is allowed and how to mend it.
    """

    reason: str
    message: str


Output = Session | LateEvent | Rejected
"""What follows from a record."""


def future_timestamp(timestamp: int, arrived_at: int, *, allowed: int) -> Rejected:
    """The rejection of an event time (ms) more than ``allowed`` (ms) ahead of its arrival (ms)."""
    ahead = timestamp - arrived_at
    return Rejected(
        "future_timestamp",
        f"timestamp {timestamp} is {ahead} ms ahead of its arrival; at most {allowed} ms are allowed. Set the clock",
    )


def reused_event_id(click: Click) -> Rejected:
    """The rejection of a click whose user has another open event with its id and its time, but other content."""
    return Rejected(
        "reused_event_id",
        f"user {click.user_id} has another event with event_id {click.event_id} and timestamp {click.timestamp}, and "
        "other content; an event_id names one event. Give each event an id of its own",
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


def rejected_time(click: Click, watermark: int, arrival: int, limit: int, config: SessionConfig) -> Rejected | None:
    """Why the time of a click that no session takes cannot be believed; None if the click is only late.

    Args:
        click: older than ``watermark``, later than ``limit`` or before ``config.min_timestamp``.
        watermark: of the partition (ms).
        arrival: of the click (ms).
        limit: the latest time (ms) that is believed.
        config: the rules.
    """
    if watermark <= click.timestamp > limit:
        return future_timestamp(click.timestamp, arrival, allowed=limit - arrival)
    return absurd_timestamp(click.timestamp, config) if click.timestamp < config.min_timestamp else None


def late_event(click: Click, watermark: int, *, partition: int, offset: int) -> LateEvent:
    """What is published of a click that is older than the watermark (ms)."""
    late_by = watermark - click.timestamp
    return LateEvent(click=click, watermark=watermark, late_by=late_by, partition=partition, offset=offset)
