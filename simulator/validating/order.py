"""In what order events come, and which of them a sessionizer would find late."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(kw_only=True)
class Order:
    """Counts events of one partition, chunk by chunk in the order in which they come; keeps nothing else of them.

    Attributes:
        lateness: how far behind the newest event one may come (ms).
        events: how many have come.
        behind: how many are older than one that came before.
        late: how many are older than the newest one that came before by more than ``lateness``.
        most: the longest that one was behind (ms).
        newest: time of the newest event (ms since epoch); None before the first.

    >>> order = Order(lateness=5)
    >>> order.take(pl.Series([10, 20, 15, 14, 30]))
    >>> order.behind, order.late, order.most
    (2, 1, 6)
    """

    lateness: int
    events: int = 0
    behind: int = 0
    late: int = 0
    most: int = 0
    newest: int | None = None

    def take(self, times: pl.Series, counts: pl.Series | None = None) -> None:
        """Take the next events.

        Args:
            times: when they happened (int64, ms since epoch).
            counts: whether an event is counted (bool), as an exposure is not; each moves the newest event time.
        """
        if times.is_empty():
            return
        frame = pl.DataFrame({"time": times, "before": times.cum_max().shift(1, fill_value=self.newest)})
        if self.newest is not None:
            frame = frame.with_columns(before=pl.max_horizontal("before", pl.lit(self.newest, pl.Int64)))
        reached = int(times.max())  # type: ignore[arg-type]
        self.newest = reached if self.newest is None else max(self.newest, reached)
        if counts is not None:
            frame = frame.filter(counts)
        by = (frame["before"] - frame["time"]).drop_nulls()
        self.events += len(frame)
        self.behind += int((by > 0).sum())
        self.late += int((by > self.lateness).sum())
        self.most = max(self.most, int(by.max() or 0))  # type: ignore[arg-type]
