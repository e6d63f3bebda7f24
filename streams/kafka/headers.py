"""The headers that our records have. No other header of a record is read or passed on.

A header is believed only if it has its form: a record can come from anybody who may write to the topic.
"""

from __future__ import annotations

from collections.abc import Iterable

from mos_online.contracts.fields import MAX_TIME
from publishing.producer import Headers

CLOSABLE_AT = "closable_at"
"""When the session could close (ms); passed on to all that follows from the session."""

RESENT = "resent"
"""How often the record has been sent again after it was a dead letter."""

_DIGITS = len(str(MAX_TIME))


def closable_at(headers: Headers) -> int | None:
    """The time in the last header ``closable_at``, in ms since 1970; None if there is none, or it is no time.

    >>> closable_at((("closable_at", b"1700000000000"),))
    1700000000000
    >>> closable_at((("closable_at", b"-1"),))
    """
    return _number(headers, CLOSABLE_AT)


def times_resent(headers: Headers) -> int:
    """How often the record has been sent again after it was a dead letter."""
    return _number(headers, RESENT) or 0


def passed_on(headers: Headers) -> Headers:
    """The headers for what follows from a record with these.

    >>> passed_on((("trace", b"x"), ("closable_at", b"0005"), ("closable_at", None)))
    (('closable_at', b'5'),)
    """
    time = closable_at(headers)
    return () if time is None else ((CLOSABLE_AT, str(time).encode()),)


def _number(headers: Iterable[tuple[str, bytes | None]], name: str) -> int | None:
    found = None
    for header, value in headers:
        if header == name and value is not None and len(value) <= _DIGITS and value.isdigit():
            found = int(value)
    return found
