"""Times as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

from mos_online.errors import SettingsError

_SPAN = re.compile(r"(\d{1,6})([mhd])")
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}


def utc_text(timestamp_ms: int, precision: Literal["minutes", "seconds"] = "minutes") -> str:
    """A timestamp (ms since epoch) as date and time in UTC.

    >>> utc_text(1_508_000_000_000), utc_text(1_508_000_000_000, "seconds")
    ('2017-10-14 16:53', '2017-10-14 16:53:20')
    """
    time = datetime.fromtimestamp(timestamp_ms / 1000, UTC).replace(tzinfo=None)
    return time.isoformat(sep=" ", timespec=precision)


def span(text: str) -> int:
    """A length of time as people write it (30m, 2h, 7d), in ms.

    Raises:
        SettingsError: it is none, or it is 0.

    >>> span("30m")
    1800000
    """
    found = _SPAN.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise SettingsError(f"{text!r} is no length of time: write 30m, 2h, 7d")
    return int(found[1]) * _MINUTES[found[2]] * 60_000


def moment(text: str, *, now: int) -> int:
    """A moment (ms since epoch) as people write it: how long ago (30m, 2h, 7d), or an ISO time.

    An ISO time that names no zone is in UTC.

    Args:
        text: what was written.
        now: ms since epoch.

    Raises:
        SettingsError: it is neither.

    >>> moment("2h", now=7_200_005), moment("1970-01-01T00:00:01", now=0)
    (5, 1000)
    """
    if found := _SPAN.fullmatch(text):
        return now - int(found[1]) * _MINUTES[found[2]] * 60_000
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{text!r} is no time: write 30m, 2h, 7d, or an ISO time such as 2026-01-31T12:00"
        ) from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
