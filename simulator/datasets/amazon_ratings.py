"""Amazon ratings-only files: ``user,product,rating,seconds``, no header; times are whole days.

J. McAuley, C. Targett, Q. Shi, A. van den Hengel, "Image-based recommendations on styles and substitutes", SIGIR 2015.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed


def read(path: Path) -> Rows:
    """Ratings as events of type ``review``; the rating itself is left out."""
    frame = delimited(path, ("user_id", "item_id", "rating", "timestamp"), separator=",", header=False)
    frame = ids(path, frame, "user_id", "item_id")
    seconds = pl.col("timestamp").cast(pl.Int64, strict=False)
    frame = parsed(path, frame, "timestamp", seconds * 1000, "seconds since 1970")
    return Rows(
        frame.select("user_id", "item_id", "timestamp", event_type=pl.lit("review"), session_id=pl.lit(None, pl.String))
    )
