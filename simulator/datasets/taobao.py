"""Taobao ``UserBehavior.csv``: ``user,item,category,behaviour,seconds``, no header.

H. Zhu et al., "Learning tree-based deep model for recommender systems", KDD 2018; Tianchi dataset 649.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed, renamed

BEHAVIOURS = {"pv": "view", "cart": "cart", "fav": "favorite", "buy": "purchase"}
BEGIN_MS, END_MS = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (2017, 2018))


def read(path: Path) -> Rows:
    """All four behaviours; skips the few rows of the publication whose time is not in 2017 (some are negative)."""
    columns = ("user_id", "item_id", "category", "event_type", "timestamp")
    frame = ids(path, delimited(path, columns, separator=",", header=False), "user_id", "item_id", "category")
    frame = renamed(path, frame, "event_type", BEHAVIOURS)
    seconds = pl.col("timestamp").cast(pl.Int64, strict=False)
    frame = parsed(path, frame, "timestamp", seconds * 1000, "seconds since 1970")
    kept = frame.filter(pl.col("timestamp").is_between(BEGIN_MS, END_MS, closed="left"))
    skipped = len(frame) - len(kept)
    return Rows(
        kept.select(
            "user_id",
            "item_id",
            "timestamp",
            "event_type",
            session_id=pl.lit(None, pl.String),
            category=pl.format("cat_{}", "category"),
        ),
        {"timestamp not in 2017": skipped} if skipped else {},
    )
