"""What a reader makes of a file: chunks of rows as found, of which nothing has been judged yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

COLUMNS = ("user_id", "item_id", "timestamp", "event_type", "session_id", "category", "value")
"""The columns that a chunk may have besides ``row``, ``refused`` and ``found``; the first three it must have."""


class RawRows(NamedTuple):
    """One chunk of a file.

    Attributes:
        path: of the file.
        frame: columns ``row`` (int64: the line of a text file or the row of a Parquet file, from 1), ``user_id``,
            ``item_id``, ``timestamp``, and optionally the others of ``COLUMNS``, each of any type as found. Optional
            columns too: ``refused`` (str: why the reader itself cannot use the row, one of ``report.REASONS``; null
            where it can) and ``found`` (str: what is shown of such a row).
        notes: what the reader has to say about the file, in words; the same note is shown once.
        counted: what ``row`` counts: ``line`` or ``row``.
    """

    path: Path
    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    counted: str = "line"


def look_at_nothing(good: pl.DataFrame) -> None:
    """Nobody looks at the rows. It has a name, because options go to other processes."""


class ReadOptions(NamedTuple):
    """What a user may say about the files.

    Attributes:
        zone: IANA name of the zone of times that name none; None: it was not said, and UTC is assumed.
        max_refused: share of the rows that may be refused, beyond those that the format is known to hold; None: 0.01
            of a file, none of a dataset folder, which holds what was checked before.
        look: gets the good rows of every chunk, in the order of the source.
        strict: whether a log is refused of which too many rows are, or of which nothing fits its catalogue; else the
            report says it.
    """

    zone: str | None = None
    max_refused: float | None = None
    look: Callable[[pl.DataFrame], None] = look_at_nothing
    strict: bool = True
