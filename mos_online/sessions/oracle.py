"""The offline oracle: sessions of a whole log at once, in polars. Shares no code with the stream, on purpose."""

from __future__ import annotations

import polars as pl

from mos_online.contracts import SESSION_END
from mos_online.sessions.config import SessionConfig


def offline_sessions(events: pl.DataFrame, config: SessionConfig) -> pl.DataFrame:
    """Cut accepted events into sessions.

    Args:
        events: columns user_id, event_id, item_id (str), timestamp (int, ms), event_type (str); any order. Of
            repeated (user_id, event_id) rows the first counts.
        config: gap and caps; lateness does not matter, since every given event is taken.

    Returns:
        One row per session, ordered by (user_id, started_at): session_id, user_id, started_at, ended_at,
        close_reason, event_ids (list[str]), item_ids (list[str]).

    >>> frame = pl.DataFrame({"user_id": ["u", "u"], "event_id": ["a", "b"], "item_id": ["x", "y"],
    ...                       "timestamp": [0, 5000], "event_type": ["click", "click"]})
    >>> offline_sessions(frame, SessionConfig(gap=1000, min_timestamp=0))["session_id"].to_list()
    ['u:0:a', 'u:5000:b']
    """
    ordered = events.unique(["user_id", "event_id"], keep="first", maintain_order=True).sort(
        "user_id", "timestamp", "event_id"
    )
    # Gaps and end events cut independently of what came before; caps are then counted inside each run.
    previous = pl.col("timestamp").shift(1).over("user_id")
    ended = (pl.col("event_type") == SESSION_END).shift(1, fill_value=False).over("user_id")
    run_start = previous.is_null() | (pl.col("timestamp") - previous > config.gap) | ended
    frame = ordered.with_columns(run=run_start.cum_sum())
    capped = frame.group_by("run", maintain_order=True).agg(
        pl.len().alias("n"), (pl.col("timestamp").max() - pl.col("timestamp").min()).alias("span")
    )
    over = capped.filter((pl.col("n") >= config.max_events) | (pl.col("span") > config.max_duration))["run"]
    parts = pl.concat(
        [
            frame.filter(~pl.col("run").is_in(over.implode())).with_columns(part=pl.lit(0, pl.Int64)),
            _cut_by_caps(frame.filter(pl.col("run").is_in(over.implode())), config),
        ]
    ).sort("user_id", "timestamp", "event_id")
    sessions = parts.group_by("run", "part", maintain_order=True).agg(
        pl.col("user_id").first(),
        pl.col("timestamp").first().alias("started_at"),
        pl.col("timestamp").last().alias("ended_at"),
        pl.col("event_id").alias("event_ids"),
        pl.col("item_id").alias("item_ids"),
        (pl.col("event_type").last() == SESSION_END).alias("has_end"),
    )
    reason = (
        pl.when(pl.col("has_end"))
        .then(pl.lit("end_event"))
        .when(pl.col("event_ids").list.len() == config.max_events)
        .then(pl.lit("max_events"))
        .when(pl.col("run") == pl.col("run").shift(-1))
        .then(pl.lit("max_duration"))
        .otherwise(pl.lit("gap"))
    )
    first = pl.col("event_ids").list.first()
    name = pl.format("{}:{}:{}", "user_id", "started_at", first)
    return sessions.with_columns(session_id=name, close_reason=reason).select(
        "session_id", "user_id", "started_at", "ended_at", "close_reason", "event_ids", "item_ids"
    )


def _cut_by_caps(runs: pl.DataFrame, config: SessionConfig) -> pl.DataFrame:
    """Number the parts of runs that a cap cuts; each cut depends on the one before, hence the loop."""
    part, start, count, run = 0, 0, 0, None
    parts: list[int] = []
    for current, timestamp in zip(runs["run"], runs["timestamp"], strict=True):
        if current != run:
            run, part, start, count = current, 0, timestamp, 0
        elif count == config.max_events or timestamp - start > config.max_duration:
            part, start, count = part + 1, timestamp, 0
        count += 1
        parts.append(part)
    return runs.with_columns(part=pl.Series(parts, dtype=pl.Int64))
