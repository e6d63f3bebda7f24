"""From the rows of a source file to a ``Dataset``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from simulator.dataset import ITEM_COLUMNS, Dataset, numbered


class Rows(NamedTuple):
    """The rows that a reader has made of a file.

    Attributes:
        frame: in the order of the file; columns user_id, item_id (str), timestamp (int, ms since epoch UTC),
            event_type (str), session_id, category (str or null; category may be missing).
        skipped: why lines were left out -> how many.
    """

    frame: pl.DataFrame
    skipped: Mapping[str, int] = {}


def from_rows(name: str, rows: Rows) -> Dataset:
    """A dataset of a file in which every row says what it knows of its item."""
    events = numbered(rows.frame.lazy(), name).select(
        "user_id", "item_id", "event_id", pl.col("timestamp").cast(pl.Int64), "event_type", "session_id"
    )
    return Dataset(name=name, events=events.collect(), items=_items(rows.frame), skipped=rows.skipped)


def _items(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per item, with the last category that it was seen in."""
    category = pl.col("category") if "category" in frame.columns else pl.lit(None, pl.String).alias("category")
    return (
        frame.lazy()
        .select("item_id", category, title=pl.lit(None, pl.String))
        .group_by("item_id", maintain_order=True)
        .agg(pl.col("title").first(), pl.col("category").drop_nulls().last())
        .select(list(ITEM_COLUMNS))
        .collect()
    )
