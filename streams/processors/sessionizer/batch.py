"""Records of ``clicks`` that are processed together: decoded, so that their times are known before any is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mos_online.contracts import Click, Heartbeat
from streams.kafka.records import Record

Decode = Callable[[bytes | None], list[Click] | Heartbeat]


class DecodedRecord(NamedTuple):
    """A record with its clicks or its heartbeat; or with the error that it caused."""

    record: Record
    message: list[Click] | Heartbeat | None
    error: Exception | None


class ClickBatch(NamedTuple):
    """Records of one partition, in order; not empty.

    Attributes:
        decoded: the records.
        newest: the latest time (ms) that a record without the broker's time speaks of; None if all have it.
        by_producer: how many records have their producer's time.
    """

    decoded: list[DecodedRecord]
    newest: int | None
    by_producer: int

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.decoded[-1].record.offset + 1

    @classmethod
    def of(cls, records: Iterable[Record], decode: Decode) -> ClickBatch:
        """Decode records."""
        decoded, newest, by_producer = [], 0, 0
        for record in records:
            message, error = None, None
            try:
                message = decode(record.value)
            except Exception as fault:
                error = fault
            decoded.append(DecodedRecord(record, message, error))
            if not record.by_broker:
                by_producer += 1
                newest = max(newest, newest_time(message))
        return cls(decoded, newest if by_producer else None, by_producer)


def newest_time(message: list[Click] | Heartbeat | None) -> int:
    """The latest time (ms) that a message speaks of; 0 if it speaks of none."""
    if message is None:
        return 0
    if isinstance(message, Heartbeat):
        return message.heartbeat
    return max(click.timestamp for click in message)


def batches_of(records: Sequence[Record], decode: Decode, next_offset: int, bounded_to: int) -> list[ClickBatch]:
    """The records from ``next_offset`` on, those before ``bounded_to`` in a batch of their own."""
    wanted = [record for record in records if record.offset >= next_offset]
    parts = [record for record in wanted if record.offset < bounded_to], [r for r in wanted if r.offset >= bounded_to]
    return [ClickBatch.of(part, decode) for part in parts if part]
