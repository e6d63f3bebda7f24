"""Parquet files, some rows at a time; their columns have types and may hold lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from simulator.datasets.layout import Layout
from simulator.datasets.opening import HEAD_LINES, PARQUET_ERRORS, Head, damaged_parquet, read_so_far
from simulator.datasets.raw import RawRows

ROWS = 1_000_000
"""Rows that are read at once."""


def parquet_chunks(path: Path, columns: Sequence[str], at_once: int = ROWS) -> Iterator[pl.DataFrame]:
    """The columns of a Parquet file and ``row``, the number of each row from 1.

    Raises:
        DatasetError: the file is damaged.
    """
    try:
        table = pl.scan_parquet(path, glob=False).select(columns)
        count = int(table.select(pl.len()).collect().item())
        for first in range(0, count, at_once):
            frame = table.slice(first, at_once).collect()
            yield frame.with_columns(row=pl.int_range(first + 1, first + 1 + len(frame), dtype=pl.Int64))
            read_so_far(path, path.stat().st_size * (first + len(frame)) // count)
    except PARQUET_ERRORS as error:
        raise damaged_parquet(path, error) from None


@dataclass(frozen=True, kw_only=True)
class ParquetTable(Layout):
    """Files of a columnar table; columns keep their types.

    Attributes:
        columns: that are read; they tell files apart.
        lists: those of them that hold lists.
        at_once: rows that are read at once; fewer where one becomes many events.
    """

    columns: Sequence[str]
    lists: Sequence[str] = ()
    at_once: int = ROWS

    @property
    def shape(self) -> str:
        """What a file looks like, in words."""
        return f"a Parquet file with the columns {', '.join(self.columns)}"

    @property
    def telling(self) -> bool:
        """The names of the columns tell."""
        return True

    def rows(self, path: Path) -> Iterator[RawRows]:
        """Read a file that fits; its rows have numbers and no lines."""
        return (rows._replace(counted="row") for rows in super().rows(path))

    def chunks(self, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Take a file apart, some rows at a time."""
        yield from parquet_chunks(path, self.columns, self.at_once)

    def sample(self, head: Head) -> pl.DataFrame | None:
        """The first rows, or None if the file has not all of the columns."""
        if head.columns is None or not set(self.columns) <= set(head.columns):
            return None
        frame = next(parquet_chunks(head.path, self.columns, HEAD_LINES), None)
        if frame is None or not all(isinstance(frame.schema[name], pl.List) for name in self.lists):
            return None
        return frame
