"""Files of a user's own as layouts: separated fields, JSON lines or Parquet, with the columns that they have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.delimited import Delimited
from simulator.datasets.ids import as_text
from simulator.datasets.layout import Layout
from simulator.datasets.opening import head
from simulator.datasets.parquet import ParquetTable
from simulator.importing.columns import Columns, listed
from simulator.importing.date_and_time import put_together
from simulator.importing.dialect import recognise_dialect, split, unique_names
from simulator.importing.documents import Documents, fields_of

SAMPLE = 10_000
"""Rows by which columns are guessed."""

_NOTHING: dict[str, Any] = {"title": "a file of your own", "user": "", "item": "", "time": "", "unit": "iso"}


@dataclass(frozen=True, kw_only=True)
class OwnText(Delimited):
    """A text table whose header may hold a name twice or an empty one, and has whatever columns it has."""

    def _names(self, first: str) -> tuple[list[str], bool]:
        if not self.header:
            return list(self.columns), False
        return list(unique_names(split(first, self.separator))), True


@dataclass(frozen=True, kw_only=True)
class OwnFile:
    """A file that is of no public format.

    Attributes:
        path: of the file.
        columns: the names of its columns.
        described: what it looks like, in words.
        header: whether its columns have names; otherwise they are called by their number, from 1.
        layout: takes it apart; what its columns mean is not known yet.
    """

    path: Path
    columns: tuple[str, ...]
    described: str
    header: bool
    layout: Layout

    def sample(self) -> pl.DataFrame:
        """The first rows, of all columns."""
        return next((good for good in self._good(self.layout) if len(good)), pl.DataFrame(schema=self.columns)).head(
            SAMPLE
        )

    def whole(self) -> pl.DataFrame:
        """All rows, of all columns; for tables that fit into memory.

        Raises:
            DatasetError: there are none.
        """
        chunks = list(
            self._good(replace(self.layout, lists=True) if isinstance(self.layout, Documents) else self.layout)
        )
        if not any(len(chunk) for chunk in chunks):
            raise DatasetError(f"{self.path} has no rows")
        mixed = [name for name in self.columns if len({chunk.schema[name] for chunk in chunks}) > 1]
        return pl.concat([chunk.with_columns(_as_text(chunk, name) for name in mixed) for chunk in chunks])

    def _good(self, layout: Layout) -> Iterator[pl.DataFrame]:
        for chunk in layout.chunks(self.path, []):
            good = chunk.filter(pl.col("refused").is_null()) if "refused" in chunk.columns else chunk
            yield good.select(self.columns)

    def meaning(self, columns: Columns) -> Layout:
        """The layout with what the columns mean.

        Raises:
            DatasetError: the file has not all of them.
        """
        used = tuple(columns.used)
        if missing := [column for column in used if column not in self.columns]:
            raise DatasetError(
                f"{self.path} has no column {listed(missing)}, which the first file has; its columns are "
                f"{listed(self.columns)}; import files of another kind by themselves"
            )
        changes: dict[str, Any] = {
            "title": self.described,
            "user": columns.of("user"),
            "item": columns.of("item"),
            "time": columns.of("time"),
            "unit": columns.unit,
            "type": columns.of("type"),
            "event": columns.constant or "",
            "session": columns.of("session"),
            "sessions": "",
            "category": columns.of("category"),
            "value": columns.of("value"),
        }
        if columns.renamed or columns.together:
            changes["adapt"] = lambda frame: _adapted(frame, columns)
        if not isinstance(self.layout, OwnText):
            changes["columns"] = used
        return replace(self.layout, **changes)


def own_file(path: Path) -> OwnFile:
    """Find out what a file is written in.

    Raises:
        DatasetError: it is no table, is empty, or cannot be read.
    """
    beginning = head(path)
    if beginning.empty:
        raise DatasetError(f"{path} is empty")
    if beginning.columns is not None:
        columns, described, header = beginning.columns, "Parquet", True
        layout: Layout = ParquetTable(columns=columns, **_NOTHING)
    elif beginning.lines[0].lstrip().startswith(("{", "[")):
        paths = fields_of(beginning)
        columns, described, header = tuple(paths), "JSON lines", True
        layout = Documents(columns=columns, paths=paths, **_NOTHING)
    else:
        dialect = recognise_dialect(beginning)
        columns, described, header = dialect.columns, dialect.described, dialect.header
        layout = OwnText(columns=columns, separator=dialect.separator, header=header, **_NOTHING)
    return OwnFile(path=path, columns=columns, described=described, header=header, layout=layout)


def _adapted(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The rows with date and time together, and other names of types; types that have none stay as they are."""
    if columns.together:
        frame = put_together(frame, *columns.together)
    if not columns.renamed:
        return frame
    found = as_text(frame[columns.of("type")])
    if found is None:
        return frame
    return frame.with_columns(found.str.strip_chars().replace(dict(columns.renamed)).alias(columns.of("type")))


def _as_text(frame: pl.DataFrame, name: str) -> pl.Series:
    text = as_text(frame[name])
    return (frame[name].cast(pl.String) if text is None else text).alias(name)
