"""Retailrocket ``events.csv``: ``timestamp,visitorid,event,itemid,transactionid`` with a header; milliseconds.

"Retailrocket recommender system dataset", Kaggle 2016.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed, renamed

COLUMNS = ("timestamp", "visitorid", "event", "itemid", "transactionid")
EVENTS = {"view": "view", "addtocart": "cart", "transaction": "purchase"}


def read(path: Path) -> Rows:
    """Views, cart additions and purchases; the file is not in time order, the result will be."""
    frame = ids(path, delimited(path, COLUMNS, separator=",", header=True), "visitorid", "itemid")
    frame = renamed(path, frame, "event", EVENTS)
    milliseconds = pl.col("timestamp").cast(pl.Int64, strict=False)
    frame = parsed(path, frame, "timestamp", milliseconds, "milliseconds since 1970")
    return Rows(
        frame.select(
            pl.col("visitorid").alias("user_id"),
            pl.col("itemid").alias("item_id"),
            "timestamp",
            pl.col("event").alias("event_type"),
            session_id=pl.lit(None, pl.String),
        )
    )
