"""A click log in memory, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from mos_online.contracts import DEFAULT_EVENT_TYPES, EventTypes
from mos_online.errors import DatasetError
from mos_online.items.clicks import item_categories
from mos_online.sessions.config import SessionConfig

if TYPE_CHECKING:
    from simulator.datasets.report import ReadReport

DAY_MS = 86_400_000
HALF_DAY_MS = DAY_MS // 2
WHOLE = 0.99
"""The share of whole days from which on the times of a log are taken as such."""
FEW = 100
"""In a log with fewer events, that they happen at two times of day says nothing."""

EVENT_COLUMNS = {
    "user_id": pl.String,
    "item_id": pl.String,
    "event_id": pl.String,
    "timestamp": pl.Int64,
    "event_type": pl.String,
    "session_id": pl.String,
}
ITEM_COLUMNS = {"item_id": pl.String, "title": pl.String, "category": pl.String}

IMPRESSION = "impression"
"""Type of an event of a dataset folder in which an item was shown."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Events in time order, and what is known of the items.

    Attributes:
        name: prefix of the event ids.
        events: columns user_id, item_id, event_id (str), timestamp (int64, ms since epoch UTC), event_type (str),
            session_id (str, the publisher's; null where there is none); sorted by (timestamp, event_id), which is the
            order of the source.
        items: columns item_id (str), title, category (str or null), and what else the catalogue says: further columns
            of texts, and ``vector`` (list of float64 or null).
        event_types: the table of what the types of events mean, as ``EventTypes.parse`` reads it.
        report: what was read, kept and refused; None: the log was not read, but made.
    """

    name: str
    events: pl.DataFrame
    items: pl.DataFrame
    event_types: str = DEFAULT_EVENT_TYPES
    report: ReadReport | None = None

    @property
    def clicks(self) -> pl.DataFrame:
        """The events that sessions are made of: actions, and ends of sessions."""
        types = EventTypes.parse(self.event_types)
        return self.events.filter(
            pl.col("event_type").is_in(types.of_kind(self.events["event_type"].unique(), "action", "end"))
        )

    @property
    def has_clock(self) -> bool:
        """Whether events have a time of day."""
        return has_clock(self.events["timestamp"])

    @property
    def repeats(self) -> int:
        """Events that are equal to another in all but their id; they stay, some logs hold real quantities so."""
        return len(self.events) - self.events.drop("event_id").hash_rows().n_unique()

    def session_rules(self, rules: SessionConfig) -> SessionConfig:
        """The rules by which this log is cut into sessions: ``rules``, but a session is a day where there is no clock.

        Whole days are never less than a day apart, so any gap below a day tells one from the next.

        Raises:
            DatasetError: sessions are cut by the publisher's ids, and no event has one.
        """
        if rules.publisher_ids and self.events["session_id"].null_count() == len(self.events):
            raise DatasetError(
                f"sessions are to be cut by the publisher's ids (MOS_SESSION_PUBLISHER_IDS), but no event of "
                f"{self.name} has a session_id; take a dataset with session ids, or set MOS_SESSION_PUBLISHER_IDS=false"
            )
        return rules if self.has_clock else replace(rules, gap=HALF_DAY_MS)

    def before(self, moment: int) -> Dataset:
        """The events before a moment (ms since epoch, UTC), and all items."""
        return replace(self, events=self.events.filter(pl.col("timestamp") < moment))

    @property
    def categories(self) -> dict[str, str]:
        """item_id -> category, of the items that have one."""
        return item_categories(self.items)


def has_clock(timestamps: pl.Series) -> bool:
    """Whether timestamps (ms) carry more than a day; whole days leave the order inside a day unknown.

    Whole days begin at midnight UTC, or at midnight of another zone, which summer time makes two times of day in UTC.

    >>> has_clock(pl.Series([0, DAY_MS, 2 * DAY_MS])), has_clock(pl.Series([0, 1500]))
    (False, True)
    """
    if len(timestamps) == 0:
        return False
    times = (timestamps % DAY_MS).alias("time")
    some = times.gather_every(20)
    if len(some) - int(some.value_counts(sort=True)["count"].head(2).sum()) > (1 - WHOLE) * len(times):
        return True  # so many events of the sample alone are at other times than any two
    counts = times.value_counts(sort=True)
    midnight, common = counts.filter(time=0)["count"].sum(), counts["count"].head(2).sum()
    return max(midnight, common if len(timestamps) >= FEW else 0) < WHOLE * len(timestamps)


def numbered(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Sort by time, keeping the order of the file within one moment, and number the events accordingly.

    Event ids are zero-padded, so that (timestamp, event_id) order is the order of the result.
    """
    ordered = frame.sort("timestamp", maintain_order=True).with_row_index("row")
    padded = (pl.col("row").cast(pl.Int64) + 10**10).cast(pl.String).str.slice(1)  # faster than zfill
    return ordered.with_columns(event_id=pl.concat_str(pl.lit(f"{name}-"), padded))
