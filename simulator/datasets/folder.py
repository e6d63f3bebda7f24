"""The folder layout: ``events.parquet`` and, where there is one, ``items.parquet``.

Events have user_id, item_id and timestamp, which is a datetime or seconds since epoch UTC, and may have event_type,
value and session_id (the publisher's, or null). Items have item_id and may have title, category and category_leaf.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mos_online.errors import DatasetError
from simulator.dataset import ITEM_COLUMNS, Dataset
from simulator.datasets.assemble import assemble
from simulator.datasets.check import Check
from simulator.datasets.ids import as_text, id_text
from simulator.datasets.opening import parquet_columns
from simulator.datasets.origin import read_origin
from simulator.datasets.parquet import parquet_chunks
from simulator.datasets.raw import RawRows, ReadOptions
from simulator.datasets.report import ReadReport

EVENTS = "events.parquet"
ITEMS = "items.parquet"

NEEDED = ("user_id", "item_id", "timestamp")
OPTIONAL = ("event_type", "session_id", "value")

REMEDY = "A folder holds what was checked before: `mos import` makes one of any table."


def read_folder(folder: Path, options: ReadOptions | None = None) -> Dataset:
    """Read the dataset in ``folder``, which gives it its name.

    Raises:
        DatasetError: a file is missing or damaged, lacks a column, holds a value that cannot be used, or the catalogue
            and the events have no item in common.
    """
    options = options or ReadOptions()
    path = folder / EVENTS
    columns = _columns(path, NEEDED, OPTIONAL)
    check = Check(unit="s", zone=options.zone)
    check.report.allowed = options.max_refused or 0.0
    check.report.origin = origin = read_origin(folder)
    check.report.session = origin.session if origin is not None else ""
    rows = (RawRows(path, frame, counted="row") for frame in parquet_chunks(path, columns))
    chunks = check.all_of(rows, options)
    if options.strict:
        check.report.require(str(path), REMEDY)
    items = _items(folder / ITEMS, check.report)
    return assemble(folder.name, chunks, check.report, items=items, strict=options.strict)


def _columns(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> list[str]:
    if not path.is_file():
        raise DatasetError(f"{path} does not exist")
    there = parquet_columns(path)
    if lacking := [name for name in needed if name not in there]:
        raise DatasetError(
            f"{path} is not in the folder layout: it has no column {', '.join(lacking)}, but {', '.join(there)}; "
            "`mos import` makes a folder of any table"
        )
    return [name for name in (*needed, *optional) if name in there]


def _items(path: Path, report: ReadReport) -> pl.DataFrame:
    """The catalogue. As many of its rows as of the events may be refused; the report notes it."""
    if not path.is_file():
        return pl.DataFrame(schema=ITEM_COLUMNS)
    columns = _columns(path, ("item_id",), ("title", "category", "category_leaf"))
    frame = pl.concat(
        list(parquet_chunks(path, columns)) or [pl.DataFrame(schema=dict.fromkeys([*columns, "row"], pl.String))]
    )
    items = id_text(frame["item_id"])
    if items.faults is not None:
        at = int(items.faults.is_not_null().arg_true()[0])
        bad = len(items.faults) - items.faults.null_count()
        found = (
            f"{bad:,} of {len(frame):,} items have an id that is missing or cannot be used, the first is in row "
            f"{at + 1}: {frame['item_id'][at]!r}"
        )
        if bad > report.allowed * len(frame):
            raise DatasetError(f"{path}: {found}; leave such rows out, or allow them with --max-refused")
        report.notes.append(f"{path.name}: {found}; they are left out")
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(frame))
    title = as_text(frame["title"]) if "title" in columns else None
    category, leaf = (
        id_text(frame[name]).text if name in columns else nothing for name in ("category", "category_leaf")
    )
    whole = {"item_id": items.text, "title": nothing if title is None else title, "category": category.fill_null(leaf)}
    return pl.DataFrame(whole).drop_nulls("item_id")
