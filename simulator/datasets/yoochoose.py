"""Yoochoose ``yoochoose-clicks.dat``: ``session,ISO time,item,category``, no header.

D. Ben-Shimon et al., "RecSys Challenge 2015 and the YOOCHOOSE dataset", RecSys 2015.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed


def read(path: Path) -> Rows:
    """Read clicks. Visitors are not known beyond a session, so a session is a user. Category 0 means none."""
    frame = delimited(path, ("session_id", "timestamp", "item_id", "category"), separator=",", header=False)
    frame = ids(path, frame, "session_id", "item_id")
    moment = pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ms", strict=False)
    frame = parsed(path, frame, "timestamp", moment.dt.epoch("ms"), "a time such as 2014-04-07T10:51:09.277Z")
    known = pl.when(pl.col("category") != "0").then(pl.format("cat_{}", "category"))
    return Rows(
        frame.select(
            pl.col("session_id").alias("user_id"),
            "item_id",
            "timestamp",
            pl.lit("click").alias("event_type"),
            "session_id",
            known.alias("category"),
        )
    )
