"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def utc_text(timestamp_ms: int, precision: Literal["minutes", "seconds"] = "minutes") -> str:
    """A timestamp (ms since epoch) as date and time in UTC.

    >>> utc_text(1_508_000_000_000), utc_text(1_508_000_000_000, "seconds")
    ('2017-10-14 16:53', '2017-10-14 16:53:20')
    """
    time = datetime.fromtimestamp(timestamp_ms / 1000, UTC).replace(tzinfo=None)
    return time.isoformat(sep=" ", timespec=precision)
