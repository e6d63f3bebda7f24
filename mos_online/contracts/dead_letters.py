"""Messages of the topic ``dead-letters``."""

from __future__ import annotations

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that no reader could use: where it was, why it failed, and its bytes (base64 in JSON).

    ``reason`` is a short word for programs, ``message`` a sentence for people. ``failed_at`` is in milliseconds.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    message: str
    key: bytes | None
    raw: bytes
    failed_at: int
