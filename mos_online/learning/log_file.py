"""One file of the learner's log: Parquet, written in one step, with the offsets from which reading goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from mos_online.contracts import OUTCOMES, SESSIONS, Outcome, Session
from mos_online.learning.order import Cell, Known, Source, ids_of

SUFFIX = ".parquet"
TOPIC_OF_KIND = (SESSIONS, OUTCOMES)

SCHEMA = pa.schema(
    [
        ("event_time", pa.int64()),
        ("time", pa.int64()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("arrived_at", pa.int64()),
        ("user_id", pa.string()),
        ("id", pa.string()),
        ("value", pa.binary()),
    ]
)
"""``event_time`` is the end of the record's cell, ``time`` its place in the order; ``value`` is what was published."""

_OFFSETS = b"mos_offsets"
_DECODERS = (msgspec.json.Decoder(Session), msgspec.json.Decoder(Outcome))


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """What the footer of a file says.

    Attributes:
        path: its name is the number of its first record.
        first: number of the first record in the whole log; rows: how many records it has.
        newest: end of the last cell, ms.
        bytes: its size.
        offsets: where the next record of each partition is read, when this file is complete.
    """

    path: Path
    first: int
    rows: int
    newest: int
    bytes: int
    offsets: Mapping[Source, int]

    @property
    def end(self) -> int:
        """The number of the first record after it."""
        return self.first + self.rows

    @classmethod
    def of(cls, path: Path) -> LogFile:
        """Read the footer.

        Raises:
            OSError, pa.ArrowException, ValueError, msgspec.MsgspecError: the file is damaged, or none of the log's.
        """
        found = pq.read_metadata(path)
        stored = (found.metadata or {}).get(_OFFSETS, b"null")
        offsets = msgspec.json.decode(stored, type=list[tuple[str, int, int]])
        statistics = [found.row_group(n).column(0).statistics.max for n in range(found.num_row_groups)]
        return cls(
            path=path,
            first=int(path.stem),
            rows=found.num_rows,
            newest=max(statistics),
            bytes=path.stat().st_size,
            offsets={Source(topic, partition): offset for topic, partition, offset in offsets},
        )

    def table(self) -> pa.Table:
        """Its records."""
        return pq.read_table(self.path, schema=SCHEMA)

    def cells(self) -> Iterator[Cell]:
        """Its cells, decoded, in order."""
        cell: Cell | None = None
        for batch in self.table().to_batches():
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                event_time, time, topic, partition, offset, arrived_at, _, _, value = row
                kind = TOPIC_OF_KIND.index(topic)
                record = _DECODERS[kind].decode(value)
                known = Known(time, kind, ids_of(record), Source(topic, partition), offset, arrived_at, value, record)
                if cell is None or cell.event_time != event_time:
                    if cell is not None:
                        yield cell
                    cell = Cell(event_time, [])
                cell.records.append(known)
        if cell is not None:
            yield cell


def name_of(first: int) -> str:
    """The name of the file whose first record has this number."""
    return f"{first:020}{SUFFIX}"


def table_of(cells: Sequence[Cell]) -> pa.Table:
    """The rows of some cells."""
    rows = [
        (
            cell.event_time,
            known.time,
            TOPIC_OF_KIND[known.kind],
            known.source.partition,
            known.offset,
            known.arrived_at,
            *known.ids,
            known.value,
        )
        for cell in cells
        for known in cell.records
    ]
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def write_file(folder: Path, first: int, table: pa.Table, offsets: Mapping[Source, int]) -> LogFile:
    """Write a file in one step: it is there whole, or not at all, also if the machine stops.

    Args:
        folder: of the log.
        first: number of the first record.
        table: at least one record.
        offsets: where the next record of each partition is read.
    """
    stored = msgspec.json.encode([(source.topic, source.partition, offset) for source, offset in offsets.items()])
    path = folder / name_of(first)
    draft = path.with_suffix(".draft")
    pq.write_table(table.replace_schema_metadata({_OFFSETS: stored}), draft, compression="zstd")
    _sync(draft)
    draft.replace(path)
    _sync(folder)
    return LogFile.of(path)


def _sync(path: Path) -> None:
    """Have the disk take what was written."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
