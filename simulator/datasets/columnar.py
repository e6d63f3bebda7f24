"""The folder layout: ``events.parquet`` and, where there is one, ``items.parquet``.

Events have user_id, item_id, timestamp (seconds since epoch UTC), event_type, value and session_id (the publisher's,
or null), sorted by time; items have item_id, title, category and category_leaf.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mos_online.errors import DatasetError
from simulator.dataset import IMPRESSION, ITEM_COLUMNS, Dataset, has_clock, numbered

EVENTS = "events.parquet"
ITEMS = "items.parquet"


def read_folder(folder: Path) -> Dataset:
    """Read the dataset in ``folder``, which gives it its name.

    An impression that was clicked (value above 0) becomes a ``click``; the others stay impressions.

    Raises:
        DatasetError: a file is missing or does not have the columns.
    """
    clicked = (pl.col("event_type") == IMPRESSION) & (pl.col("value") > 0)
    events = numbered(_scan(folder / EVENTS).with_columns(timestamp=pl.col("timestamp") * 1000), folder.name)
    try:
        frame = events.select(
            pl.col("user_id").cast(pl.String),
            pl.col("item_id").cast(pl.String),
            "event_id",
            "timestamp",
            pl.when(clicked).then(pl.lit("click")).otherwise("event_type").alias("event_type"),
            pl.col("session_id").cast(pl.String),
        ).collect()
        return Dataset(name=folder.name, events=frame, items=_read_items(folder / ITEMS))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DatasetError(f"{folder} does not hold a dataset in the folder layout: {error}") from None


def folder_has_clock(folder: Path) -> bool:
    """Whether the events of ``folder`` have a time of day; reads only the timestamps."""
    return has_clock(_scan(folder / EVENTS).select(pl.col("timestamp") * 1000).collect()["timestamp"])


def _scan(path: Path) -> pl.LazyFrame:
    if not path.is_file():
        raise DatasetError(f"{path} does not exist")
    return pl.scan_parquet(path)


def _read_items(path: Path) -> pl.DataFrame:
    if not path.is_file():
        return pl.DataFrame(schema=ITEM_COLUMNS)
    return (
        pl.scan_parquet(path)
        .select(pl.col("item_id").cast(pl.String), "title", pl.coalesce("category", "category_leaf").alias("category"))
        .collect()
    )
