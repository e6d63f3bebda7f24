"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(timestamp_ms: int) -> str:
    """A timestamp in UTC, to the minute.

    >>> moment(1_508_000_000_000)
    '2017-10-14 16:53'
    """
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
