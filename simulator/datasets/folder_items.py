"""``items.parquet`` of a dataset folder: what is known of the items. Every reader of it comes here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from mos_online.errors import DatasetError
from mos_online.items.item_vectors import VECTOR
from simulator.dataset import ITEM_COLUMNS
from simulator.datasets.ids import as_text, id_text
from simulator.datasets.opening import parquet_columns
from simulator.datasets.parquet import parquet_chunks
from simulator.datasets.report import ReadReport

NUMBERS = pl.List(pl.Float64)


def read_folder_items(path: Path, report: ReadReport) -> pl.DataFrame:
    """Read the catalogue. As many of its rows as of the events may be refused; the report notes it.

    Returns:
        ``ITEM_COLUMNS``, every further column of texts, and ``vector`` (list of float64) if there is one; no item if
        the file does not exist. The category is that of ``category_leaf`` where there is no other.

    Raises:
        DatasetError: the file is damaged, has no ``item_id``, or holds ids or vectors that cannot be used.
    """
    if not path.is_file():
        return pl.DataFrame(schema=ITEM_COLUMNS)
    there = parquet_columns(path)
    if "item_id" not in there:
        raise DatasetError(
            f"{path} has no column item_id, but {', '.join(there)}; `mos import --items` makes one of any table"
        )
    chunks = list(parquet_chunks(path, there))
    frame = pl.concat(chunks) if chunks else pl.DataFrame(schema=dict.fromkeys([*there, "row"], pl.String))
    kept = _ids(frame, path, report)
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(frame))
    title = as_text(frame["title"]) if "title" in there else None
    category, leaf = (id_text(frame[name]).text if name in there else nothing for name in ("category", "category_leaf"))
    whole = {"item_id": kept, "title": nothing if title is None else title, "category": category.fill_null(leaf)}
    whole |= {name: frame[name] for name in there if name not in whole and frame.schema[name] == pl.String}
    whole.pop(VECTOR, None)
    if VECTOR in there and frame[VECTOR].null_count() < len(frame):
        whole[VECTOR] = _vectors(frame[VECTOR], path)
    return pl.DataFrame(whole).drop_nulls("item_id")


def _ids(frame: pl.DataFrame, path: Path, report: ReadReport) -> pl.Series:
    """The ids, null where one cannot be used."""
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
    return items.text


def _vectors(column: pl.Series, path: Path) -> pl.Series:
    """The vectors, null where an item has none; a list may also be written as JSON text, as files of texts have it.

    Raises:
        DatasetError: they are no lists of numbers, are not equally long, or hold numbers that are not finite.
    """
    remedy = "give each item a list of as many finite numbers, or none"
    try:
        lists = column.str.json_decode(NUMBERS) if column.dtype == pl.String else column.cast(NUMBERS)
    except pl.exceptions.PolarsError:
        raise DatasetError(
            f"{path}: `{VECTOR}` holds {column.dtype}, which are no lists of numbers; {remedy}"
        ) from None
    lengths = lists.list.len()
    first = int(lists.is_not_null().arg_true()[0])
    wrong = (lengths != lengths[first]) | (lengths == 0)
    if wrong.any():
        at = int(wrong.arg_true()[0])
        raise DatasetError(
            f"{path}: the vector of row {at + 1} has {lengths[at]} numbers, that of row {first + 1} {lengths[first]}; "
            f"{remedy}"
        )
    numbers = lists.explode()
    given = numbers.len() - int(lists.null_count())
    if not np.isfinite(numbers.drop_nulls().to_numpy()).all() or given > len(numbers.drop_nulls()):
        bad = lists.list.eval(~pl.element().is_finite() | pl.element().is_null()).list.any()
        raise DatasetError(f"{path}: the vector of row {int(bad.arg_true()[0]) + 1} holds no finite number; {remedy}")
    return lists
