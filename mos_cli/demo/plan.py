"""Which part of the log is replayed, and what was known before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from mos_online.errors import DatasetError

SMALLEST = 200
"""Fewer clicks on either side of the cut make neither a model nor a replay."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The log cut in two at ``cut_ms``: the model may know ``before``, and ``replayed`` is sent as clicks.

    Attributes:
        cut_ms: start of the replay (ms since epoch); every event of ``before`` is older.
        before, replayed: frames as in ``simulator.datasets.Dataset.events``.
    """

    cut_ms: int
    before: pl.DataFrame
    replayed: pl.DataFrame


def make_plan(events: pl.DataFrame, *, count: int, start: float) -> Plan:
    """Cut the log at the quantile ``start`` of its events (in time) and replay ``count`` events from there.

    A log with fewer than ``count`` events after the cut is replayed to its end.

    Raises:
        DatasetError: too few events before or after the cut.
    """
    ordered = events.sort("timestamp", "event_id")
    cut_ms = int(ordered["timestamp"][min(int(len(ordered) * start), len(ordered) - 1)])
    before = ordered.filter(pl.col("timestamp") < cut_ms)
    replayed = ordered.filter(pl.col("timestamp") >= cut_ms).head(count)
    if len(before) < SMALLEST or len(replayed) < SMALLEST:
        raise DatasetError(
            f"{len(before)} clicks before the cut at {moment(cut_ms)} and {len(replayed)} to replay after it: "
            f"at least {SMALLEST} of each are needed; use a larger dataset, or another --start or --events"
        )
    return Plan(cut_ms=cut_ms, before=before, replayed=replayed)


def moment(timestamp_ms: int) -> str:
    """A timestamp as people write it, in UTC.

    >>> moment(1_508_000_000_000)
    '2017-10-14 16:53'
    """
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
