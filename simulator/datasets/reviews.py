"""The rows that the three review formats share: a user, an item and a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from simulator.datasets.assemble import Rows


def review_rows(reviews: Iterable[tuple[str, str, int]], skipped: Mapping[str, int] | None = None) -> Rows:
    """Events of type ``review`` from (user_id, item_id, ms since epoch UTC)."""
    frame = pl.DataFrame(
        list(reviews), schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}, orient="row"
    )
    return Rows(frame.with_columns(event_type=pl.lit("review"), session_id=pl.lit(None, pl.String)), skipped or {})
