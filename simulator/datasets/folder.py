"""The folder layout: ``events.parquet`` and, where there is one, ``items.parquet``.

Events have user_id, item_id and timestamp, which is a datetime or seconds since epoch UTC, and may have event_type,
value and session_id (the publisher's, or null). ``simulator.datasets.folder_items`` says what items have.
"""

from __future__ import annotations

from pathlib import Path

from mos_online.errors import DatasetError
from simulator.dataset import Dataset
from simulator.datasets.assemble import assemble
from simulator.datasets.check import Check
from simulator.datasets.folder_items import read_folder_items
from simulator.datasets.opening import parquet_columns
from simulator.datasets.origin import read_origin
from simulator.datasets.parquet import parquet_chunks
from simulator.datasets.raw import RawRows, ReadOptions

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
    items = read_folder_items(folder / ITEMS, check.report)
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
