"""Which part of a log is used: the clicks before a moment, or those from it on."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from mos_online.errors import DatasetError
from simulator.dataset import Dataset


def window(clicks: pl.DataFrame, *, start: str = "0", count: int | None = None) -> pl.DataFrame:
    """The first ``count`` clicks (all if None) from ``start`` on.

    Args:
        clicks: ascending in time.
        start: a share of the clicks to leave out (0.8: from 80 % of them on, not splitting a moment), or an ISO time,
            taken as UTC if it names no zone.
        count: at least 1.

    Raises:
        DatasetError: ``start`` is not understood, or nothing is left.

    >>> frame = pl.DataFrame({"timestamp": [0, 1000, 1000, 2000]})
    >>> window(frame, start="0.5")["timestamp"].to_list(), window(frame, start="1970-01-01T00:00:02").height
    ([1000, 1000, 2000], 1)
    """
    if clicks.is_empty():
        raise DatasetError("the dataset holds no clicks")
    begin = _start_ms(clicks["timestamp"], start)
    chosen = clicks.filter(pl.col("timestamp") >= begin)
    if chosen.is_empty():
        last = datetime.fromtimestamp(int(clicks["timestamp"][-1]) / 1000, UTC).isoformat(timespec="seconds")
        raise DatasetError(f"no clicks from {start} on; the last one is at {last}")
    return chosen if count is None else chosen.head(count)


def take_until(log: Dataset, end: str) -> Dataset:
    """The events of a log before ``end``, and all its items.

    Args:
        log: any.
        end: a share of the clicks to take (0.8: the first 80 %, not splitting a moment; 1: all of them), or an ISO
            time, taken as UTC if it names no zone.

    Raises:
        DatasetError: ``end`` is not understood, or lies after the last click.
    """
    if end in {"1", "1.0"}:
        return log
    return log.before(int(window(log.clicks, start=end)["timestamp"][0]))


def _start_ms(times: pl.Series, start: str) -> int:
    try:
        share = float(start)
    except ValueError:
        share = None
    if share is not None:
        if not 0 <= share < 1:
            raise DatasetError(f"start {start}: a share of the clicks is at least 0 and below 1")
        return int(times[int(len(times) * share)])
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise DatasetError(
            f"start {start!r} is not understood: write a share such as 0.8, or 2017-10-09T06:00"
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
