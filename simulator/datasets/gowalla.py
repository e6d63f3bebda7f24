"""Gowalla check-ins as filtered for POI recommendation: ``user<TAB>place<TAB>seconds``, no header.

E. Cho, S. A. Myers, J. Leskovec, "Friendship and mobility", KDD 2011; Y. Liu et al., "An experimental evaluation of
point-of-interest recommendation in location-based social networks", VLDB 2017.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed

ZONE_MS = 8 * 3_600_000
"""The file was written with a clock in UTC+8; with this added the first events equal the original publication's."""


def read(path: Path) -> Rows:
    """Check-ins, in UTC; the file lists each user's newest first, the result is in time order."""
    frame = delimited(path, ("user_id", "item_id", "timestamp"), separator="\t", header=False)
    frame = ids(path, frame, "user_id", "item_id")
    seconds = pl.col("timestamp").cast(pl.Float64, strict=False)
    milliseconds = (seconds * 1000).cast(pl.Int64, strict=False) + ZONE_MS
    frame = parsed(path, frame, "timestamp", milliseconds, "seconds since 1970")
    return Rows(
        frame.select(
            "user_id", "item_id", "timestamp", event_type=pl.lit("checkin"), session_id=pl.lit(None, pl.String)
        )
    )
