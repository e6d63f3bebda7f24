"""Diginetica ``train-item-views.csv``: ``session_id;user_id;item_id;timeframe;eventdate`` with a header.

CIKM Cup 2016, track 2 (personalised e-commerce search).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed

COLUMNS = ("session_id", "user_id", "item_id", "timeframe", "eventdate")


def read(path: Path) -> Rows:
    """Read item views. ``timeframe`` is ms since the session began and ``eventdate`` a day without a time.

    So every session of a day begins at midnight UTC: gaps inside sessions are real, the order of sessions within a
    day is not. A visitor who did not log in (user ``NA``) is known by the session, as ``session-<id>``.
    """
    frame = ids(path, delimited(path, COLUMNS, separator=";", header=True), "session_id", "user_id", "item_id")
    frame = parsed(path, frame, "timeframe", pl.col("timeframe").cast(pl.Int64, strict=False), "milliseconds")
    day = pl.col("eventdate").str.to_date("%Y-%m-%d", strict=False)
    frame = parsed(path, frame, "eventdate", day.cast(pl.Datetime("ms")).dt.epoch("ms"), "a date such as 2016-05-09")
    anonymous = pl.col("user_id") == "NA"
    return Rows(
        frame.select(
            pl.when(anonymous).then(pl.format("session-{}", "session_id")).otherwise("user_id").alias("user_id"),
            "item_id",
            (pl.col("eventdate") + pl.col("timeframe")).alias("timestamp"),
            pl.lit("view").alias("event_type"),
            "session_id",
        )
    )
