"""Messages of the topic ``dead-letters``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

_SIZE = "More than what is here if it was cut; the whole lies at `topic`, `partition` and `offset`."


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A header of a record that could not be used."""

    name: str
    value: bytes | None

    @property
    def size(self) -> int:
        """Bytes of the name and the value."""
        return len(self.name.encode()) + len(self.value or b"")


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be used: where it was, why it failed, and its bytes."""

    topic: Annotated[str, Meta(description="The topic of the record.")]
    partition: Annotated[int, Meta(description="The partition of the record.")]
    offset: Annotated[
        int, Meta(description="The offset of the record; -1 for an output of the worker that was too large for Kafka.")
    ]
    processor: Annotated[str, Meta(description="The processor that could not use the record.")]
    reason: Annotated[str, Meta(description="Why the record could not be used: a short word for programs.")]
    message: Annotated[str, Meta(description="Why the record could not be used: a sentence for people.")]
    key: Annotated[bytes | None, Meta(description="The key of the record.")]
    key_size: Annotated[int, Meta(description=f"Bytes of the record's key. {_SIZE}")]
    raw: Annotated[bytes | None, Meta(description="The value of the record; null if it has none.")]
    raw_size: Annotated[int, Meta(description=f"Bytes of the record's value. {_SIZE}")]
    headers: Annotated[list[Header], Meta(description="The headers of the record, in order.")]
    headers_size: Annotated[int, Meta(description=f"Bytes of the names and values of all headers. {_SIZE}")]
    record_timestamp: Annotated[int, Meta(description="The record's own Kafka timestamp; milliseconds since 1970 UTC.")]
    failed_at: Annotated[
        int, Meta(description="When it failed, by the clock of the worker; milliseconds since 1970 UTC.")
    ]

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the record was cut."""
        sizes = (
            len(self.key or b""),
            len(self.raw or b""),
            sum(len(h.name.encode()) + len(h.value or b"") for h in self.headers),
        )
        return sizes == (self.key_size, self.raw_size, self.headers_size)
