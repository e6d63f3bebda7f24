"""Records of ``clicks`` that are processed together: decoded, so that their times are known before any is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mos_online.contracts import Click, Heartbeat
from mos_online.sessions import Sessionizer
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
        """The offset after the last record without the broker's time; 0 if there is none."""
        return max((one.record.offset + 1 for one in self.decoded if not one.record.by_broker), default=0)

    @classmethod
    def of(cls, decoded: list[DecodedRecord]) -> ClickBatch:
        """Of decoded records."""
        times = [newest_time(one.message) for one in decoded if not one.record.by_broker]
        return cls(decoded, max(times, default=None), len(times))


def newest_time(message: list[Click] | Heartbeat | None) -> int:
    """The latest time (ms) that a message speaks of; 0 if it speaks of none."""
    if message is None:
        return 0
    if isinstance(message, Heartbeat):
        return message.heartbeat
    return max(click.timestamp for click in message)


def decoded_records(records: Iterable[Record], decode: Decode) -> list[DecodedRecord]:
    """Records with what ``decode`` makes of them."""
    decoded = []
    for record in records:
        message, error = None, None
        try:
            message = decode(record.value)
        except Exception as fault:
            error = fault
        decoded.append(DecodedRecord(record, message, error))
    return decoded


def batches_of(decoded: list[DecodedRecord], sessionizer: Sessionizer) -> Iterator[ClickBatch]:
    """Batches of which each needs a decision at most. Process one before you ask for the next."""
    while decoded:
        times = [(one.record.offset, newest_time(one.message)) for one in decoded if not one.record.by_broker]
        length = len(decoded)
        if times and (together := sessionizer.together(times)) < len(times):
            length = [one.record.offset for one in decoded].index(times[together][0])
        yield ClickBatch.of(decoded[:length])
        decoded = decoded[length:]
