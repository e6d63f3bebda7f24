"""Types of fields that several messages share, and how large they may be."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MAX_ID = 256
"""Characters of the longest id."""

MAX_TIME = 253_402_300_799_999
"""The last millisecond of the year 9999."""

MAX_SESSION_ID = 2 * MAX_ID + len(str(MAX_TIME)) + 2
"""Characters of the longest session id, which names a user, a time and an event."""

MAX_VECTOR = 10_000
"""Numbers of the longest vector."""

MAX_MESSAGE_BYTES = 1_000_000
"""A larger value goes to the dead-letter topic unread (Kafka's own default limit is 1 MiB)."""

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Meta(max_length=MAX_ID)]
SessionId = Annotated[str, Meta(min_length=1, max_length=MAX_SESSION_ID)]
Milliseconds = Annotated[int, Meta(ge=0, le=MAX_TIME)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Vector = Annotated[list[float], Meta(max_length=MAX_VECTOR)]
Scalar = str | int | float | bool | None
Context = dict[str, Scalar | list[Scalar]]
"""What a publisher says about an event: scalars and lists of scalars by name."""


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8: it holds no surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
