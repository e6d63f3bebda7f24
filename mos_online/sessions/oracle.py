"""The offline oracle: sessions of a whole log at once, in polars. Shares no code with the stream, on purpose."""

from __future__ import annotations

import polars as pl

from mos_online.errors import DatasetError
from mos_online.sessions.config import SessionConfig

COLUMNS = (
    "session_id",
    "user_id",
    "started_at",
    "ended_at",
    "close_reason",
    "closes_at",
    "event_ids",
    "item_ids",
    "rows",
)


def offline_sessions(events: pl.DataFrame, config: SessionConfig) -> pl.DataFrame:
    """Cut accepted events into sessions.

    Args:
        events: columns user_id, event_id, item_id (str), timestamp (int, ms), event_type (str), and session_id (str
            or null, the publisher's) if ``config.publisher_ids``; any order. Of rows with the same ids and time
            the first counts.
        config: gap, caps and event types; lateness does not matter, since every given event is taken unless its type
            is in no session.

    Returns:
        One row per session, ordered by (user_id, started_at): session_id, user_id, started_at, ended_at,
        close_reason, closes_at (int, ms), event_ids (list[str]), item_ids (list[str]), rows (list[int]: which rows of
        ``events`` they are).

    Raises:
        DatasetError: ``config.publisher_ids``, and there is no column session_id.

    >>> frame = pl.DataFrame({"user_id": ["u", "u"], "event_id": ["a", "b"], "item_id": ["x", "y"],
    ...                       "timestamp": [0, 5000], "event_type": ["click", "click"]})
    >>> offline_sessions(frame, SessionConfig(gap=1000, min_timestamp=0))["session_id"].to_list()
    ['u:0:a', 'u:5000:b']
    """
    if config.publisher_ids and "session_id" not in events.columns:
        raise DatasetError(
            f"sessions are to be cut by the publisher's ids (MOS_SESSION_PUBLISHER_IDS), but the events have no column "
            f"session_id, only {', '.join(events.columns)}; add it, or set MOS_SESSION_PUBLISHER_IDS=false"
        )
    key = ["user_id", "session_id"] if config.publisher_ids else ["user_id"]
    spellings = events["event_type"].unique().to_list()
    in_sessions = config.types.of_kind(spellings, "action", "end")
    is_end = pl.col("event_type").is_in(config.types.of_kind(spellings, "end"))
    ordered = (
        events.with_row_index("rows")
        .filter(pl.col("event_type").is_in(in_sessions))
        .with_columns(is_end=is_end)
        .with_columns(pl.col(key).fill_null(""))
        .unique([*key, "timestamp", "event_id"], keep="first", maintain_order=True)
        .sort(*key, "timestamp", "event_id")
    )
    runs = _number_runs(ordered, key, config)
    sessions = (
        _number_parts(runs, config)
        .sort(*key, "timestamp", "event_id")
        .group_by("run", "part", maintain_order=True)
        .agg(
            pl.col("user_id").first(),
            pl.col("timestamp").first().alias("started_at"),
            pl.col("timestamp").last().alias("ended_at"),
            pl.col("event_id").alias("event_ids"),
            pl.col("item_id").alias("item_ids"),
            pl.col("rows"),
            pl.col("is_end").last().alias("has_end"),
        )
    )
    session_id = pl.format("{}:{}:{}", "user_id", "started_at", pl.col("event_ids").list.first())
    found = sessions.with_columns(session_id=session_id, **_closing(config)).sort("user_id", "started_at", "session_id")
    return found.select(*COLUMNS)


def _number_runs(ordered: pl.DataFrame, key: list[str], config: SessionConfig) -> pl.DataFrame:
    """Add ``run``: a gap or an end event begins another, whatever came before it."""
    previous = pl.col("timestamp").shift(1).over(key)
    ended = pl.col("is_end").shift(1, fill_value=False).over(key)
    starts = previous.is_null() | (pl.col("timestamp") - previous > config.gap) | ended
    return ordered.with_columns(run=starts.cum_sum())


def _number_parts(runs: pl.DataFrame, config: SessionConfig) -> pl.DataFrame:
    """Add ``part``: the caps cut a run into parts, counted from 0."""
    span = pl.col("timestamp").max() - pl.col("timestamp").min()
    sizes = runs.group_by("run", maintain_order=True).agg(pl.len().alias("n"), span.alias("span"))
    over = sizes.filter((pl.col("n") >= config.max_events) | (pl.col("span") > config.max_duration))["run"]
    capped = pl.col("run").is_in(over.implode())
    return pl.concat(
        [
            runs.filter(~capped).with_columns(part=pl.lit(0, pl.Int64)),
            _cut_by_caps(runs.filter(capped), config),
        ]
    )


def _closing(config: SessionConfig) -> dict[str, pl.Expr]:
    """``close_reason`` and ``closes_at`` of a session, from its length, its times and ``has_end``."""
    full = pl.col("event_ids").list.len() == config.max_events
    silent, too_old = pl.col("ended_at") + config.gap, pl.col("started_at") + config.max_duration
    reason = (
        pl.when(pl.col("has_end"))
        .then(pl.lit("end_event"))
        .when(full)
        .then(pl.lit("max_events"))
        .when(silent > too_old)
        .then(pl.lit("max_duration"))
        .otherwise(pl.lit("gap"))
    )
    last = pl.when(pl.col("has_end") | full).then("ended_at").otherwise(pl.min_horizontal(silent, too_old))
    return {"close_reason": reason, "closes_at": last + 1}


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
