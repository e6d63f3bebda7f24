"""Takes records out of what aiokafka has fetched, also those with a header whose name is not UTF-8.

aiokafka raises an error at such a record, at every attempt, so that nobody ever gets past it. Its own code in Python is
used for those, which is slower than its compiled code but lets us say how a name is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

from mos_online.contracts.fields import is_utf8
from mos_online.errors import BrokerError
from streams.kafka.records import Record

LOG_APPEND_TIME = 1
"""Kafka's number for a timestamp that the broker has written."""

_DEFAULT_FORMAT = 2
"""Kafka's number of the format with headers."""

_unpack = fetcher.PartitionRecords._unpack_records


def install() -> None:
    """From now on the consumers of this process give a ``Record`` for every record.

    Raises:
        BrokerError: this version of aiokafka is not known.
    """
    if not hasattr(fetcher.PartitionRecords, "_consumer_record") or not hasattr(fetcher, "MemoryRecords"):
        raise BrokerError("this version of aiokafka is not known: install the versions of requirements/")
    fetcher.MemoryRecords = _KeptRecords
    fetcher.PartitionRecords._unpack_records = _unpack_all
    fetcher.PartitionRecords._consumer_record = record_of_aiokafka


def record_of_aiokafka(_: Any, tp: Any, record: Any) -> Record:
    """The record in place of aiokafka's own, which is a frozen dataclass of eleven fields and costs much more."""
    return Record(
        topic=tp.topic,
        partition=tp.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        timestamp=record.timestamp or 0,  # a log of Kafka 0.9 has none
        headers=tuple(record.headers),
        by_broker=record.timestamp_type == LOG_APPEND_TIME,
    )


class _KeptRecords(MemoryRecords):  # type: ignore[misc]
    """Compiled; keeps what was fetched."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


def _unpack_all(fetched: Any) -> Iterator[Record]:
    aborted = list(fetched._aborted_transactions)
    try:
        yield from _unpack(fetched)
    except UnicodeDecodeError:
        fetched._records = _LenientRecords(fetched._records.raw)
        fetched._aborted_transactions, fetched._aborted_producers = aborted, set()
        wanted = fetched.next_fetch_offset  # which goes back while batches before it are read again
        for record in _unpack(fetched):
            if record.offset >= wanted:
                yield record


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self, *_: Any) -> Any:
        raw = self._next_slice
        batch = super().next_batch()
        return batch if raw is None or batch.magic < _DEFAULT_FORMAT else _LenientBatch(raw)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """Leaves out all headers of a record if the name of one is not UTF-8, as ``of_confluent`` does."""

    def __iter__(self) -> _LenientBatch:
        super().__iter__()
        self._buffer: bytearray = _Buffer(self._buffer)
        return self

    def __next__(self) -> Any:
        record = super().__next__()
        names = "".join(name for name, _ in record.headers)
        return record if names.isascii() or is_utf8(names) else replace(record, headers=[])


class _Buffer(bytearray):
    """Its slices become text without an error."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Slice(found) if isinstance(index, slice) else found


class _Slice(bytes):
    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)
