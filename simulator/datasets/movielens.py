"""MovieLens-1M ``ratings.dat``: ``user::item::rating::seconds``, no header.

F. M. Harper, J. A. Konstan, "The MovieLens datasets: history and context", ACM TiiS 2015.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed


def read(path: Path) -> Rows:
    """Ratings as events of type ``rating``; the rating itself is left out."""
    frame = ids(
        path,
        delimited(path, ("user_id", "item_id", "rating", "timestamp"), separator="::", header=False),
        "user_id",
        "item_id",
    )
    seconds = pl.col("timestamp").cast(pl.Int64, strict=False)
    frame = parsed(path, frame, "timestamp", seconds * 1000, "seconds since 1970")
    return Rows(
        frame.select("user_id", "item_id", "timestamp", event_type=pl.lit("rating"), session_id=pl.lit(None, pl.String))
    )
