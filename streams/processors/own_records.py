"""Checks records of our own topics: a record can come from anybody who may write to the topic."""

from __future__ import annotations

import time

from mos_online.errors import ContractError
from mos_online.sessions import SessionConfig
from streams.kafka.records import Record


def check_key(record: Record, user_id: str) -> None:
    """Check that the key of a record is its user, so that a profile has one writer.

    Raises:
        ContractError: it is another one, or there is none ("wrong_key").
    """
    if record.key != user_id.encode():
        found = None if record.key is None else record.key[:300]
        raise ContractError("wrong_key", f"the key must be the user_id, {user_id!r}, but is {found!r}")


def check_time(what: str, at: int, record: Record, rules: SessionConfig) -> None:
    """Check that a time of a session is not further ahead of its record than a session can be.

    The sessionizer takes event times up to ``rules.max_future`` ahead of their arrival, so no session is further
    ahead. The gap is added because the clocks of two machines may differ.

    Args:
        what: names the time.
        at: the time (ms).
        record: that says so.
        rules: of the sessions.

    Raises:
        ContractError: it is ("future_timestamp").
    """
    allowed = rules.max_future + rules.gap
    arrived_at = record.arrived_at(time.time_ns() // 1_000_000)
    if at > arrived_at + allowed:
        raise ContractError(
            "future_timestamp",
            f"{what} {at} is {at - arrived_at} ms ahead of the arrival of its record; at most {allowed} ms are "
            "allowed (MOS_SESSION_MAX_FUTURE and MOS_SESSION_GAP)",
        )
