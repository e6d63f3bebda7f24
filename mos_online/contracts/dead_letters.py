"""Messages of the topic ``dead-letters``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be used: where it was, why it failed, and its bytes."""

    topic: Annotated[str, Meta(description="The topic of the record.")]
    partition: Annotated[int, Meta(description="The partition of the record.")]
    offset: Annotated[
        int, Meta(description="The offset of the record; -1 for an output of the worker that was too large for Kafka.")
    ]
    reason: Annotated[str, Meta(description="Why the record could not be used: a short word for programs.")]
    message: Annotated[str, Meta(description="Why the record could not be used: a sentence for people.")]
    key: Annotated[bytes | None, Meta(description="The key of the record.")]
    raw: Annotated[bytes, Meta(description="The value of the record.")]
    record_timestamp: Annotated[int, Meta(description="The record's own Kafka timestamp; milliseconds since 1970 UTC.")]
    failed_at: Annotated[
        int, Meta(description="When it failed, by the clock of the worker; milliseconds since 1970 UTC.")
    ]
