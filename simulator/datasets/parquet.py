"""Parquet files, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from simulator.datasets.opening import PARQUET_ERRORS, damaged_parquet, read_so_far

ROWS = 1_000_000
"""Rows that are read at once."""


def parquet_chunks(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The columns of a Parquet file and ``row``, the number of each row from 1.

    Raises:
        DatasetError: the file is damaged.
    """
    try:
        table = pl.scan_parquet(path, glob=False).select(columns)
        count = int(table.select(pl.len()).collect().item())
        for first in range(0, count, ROWS):
            frame = table.slice(first, ROWS).collect()
            yield frame.with_columns(row=pl.int_range(first + 1, first + 1 + len(frame), dtype=pl.Int64))
            read_so_far(path, path.stat().st_size * (first + len(frame)) // count)
    except PARQUET_ERRORS as error:
        raise damaged_parquet(path, error) from None
