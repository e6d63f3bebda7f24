"""What an import remembers of the events that pass by: types, items and their categories, times, repeats."""

from __future__ import annotations

from collections import Counter

import polars as pl

from simulator.dataset import DAY_MS, ITEM_COLUMNS

_COMPACT = 4_000_000
"""So many rows about items are collected before they become one per item."""


class Seen:
    """Filled chunk by chunk; its size grows with the catalogue, not with the log.

    Attributes:
        types: event type -> how many.
        first, last: times, ms since epoch UTC; None before the first event.
        sessions: how many events have a session id.
        values: how many have a value.
    """

    def __init__(self) -> None:
        self.types: Counter[str] = Counter()
        self.first: int | None = None
        self.last: int | None = None
        self.sessions = self.values = 0
        self._whole_days = self._events = 0
        self._items: list[pl.DataFrame] = []
        self._waiting = 0

    def take(self, good: pl.DataFrame) -> None:
        """Look at a chunk that the check has passed."""
        if good.is_empty():
            return
        times = good["timestamp"]
        low, high = int(times.min()), int(times.max())  # type: ignore[arg-type]
        self.first = low if self.first is None else min(low, self.first)
        self.last = high if self.last is None else max(high, self.last)
        self._events += len(good)
        self._whole_days += int((times % DAY_MS == 0).sum())
        for kind, count in good["event_type"].value_counts().iter_rows():
            self.types[kind] += count
        self.sessions += len(good) - good["session_id"].null_count()
        if "value" in good.columns:
            self.values += len(good) - good["value"].null_count()
        self._take_items(good)

    def _take_items(self, good: pl.DataFrame) -> None:
        category = pl.col("category") if "category" in good.columns else pl.lit(None, pl.String).alias("category")
        self._items.append(_one_each(good.lazy().select("item_id", category)))
        self._waiting += len(self._items[-1])
        if self._waiting > _COMPACT:
            self._items = [_one_each(pl.concat(self._items).lazy())]
            self._waiting = 0

    @property
    def has_clock(self) -> bool:
        """Whether times carry more than a day, as ``simulator.dataset.has_clock`` says it."""
        return self._whole_days < 0.99 * self._events

    def items(self) -> pl.DataFrame:
        """The items of the events, with the last category that each was seen in: as ``Dataset.items``."""
        if not self._items:
            return pl.DataFrame(schema=ITEM_COLUMNS)
        items = _one_each(pl.concat(self._items).lazy())
        return items.with_columns(title=pl.lit(None, pl.String)).select(list(ITEM_COLUMNS))


def _one_each(items: pl.LazyFrame) -> pl.DataFrame:
    categories = pl.col("category").drop_nulls().last()
    return items.group_by("item_id", maintain_order=True).agg(categories).collect()


class Repeats:
    """Counts rows that are equal to an earlier one in all columns, in a log that comes sorted by time."""

    def __init__(self) -> None:
        self.count = 0
        self._moment: int | None = None
        self._hashes = pl.Series(dtype=pl.UInt64)

    def take(self, frame: pl.DataFrame) -> None:
        """The next rows; those of one moment may come in several frames, if nothing else is in these."""
        hashes = frame.hash_rows()
        first, last = int(frame["timestamp"][0]), int(frame["timestamp"][-1])
        if first == last == self._moment:
            both = pl.concat([self._hashes, hashes]).unique()
            self.count += len(hashes) - (len(both) - len(self._hashes))
            self._hashes = both
            return
        unique = hashes.unique()
        self.count += len(hashes) - len(unique)
        self._moment = first if first == last else None
        self._hashes = unique if first == last else self._hashes.clear()
