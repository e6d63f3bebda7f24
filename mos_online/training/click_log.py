"""A click log made ready to learn from: sessions cut, events in order, categories at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl

from mos_online.arrays import Ints
from mos_online.contracts import Click, EventTypes, Session, actions_of, category_of
from mos_online.items.clicks import item_categories, to_clicks
from mos_online.sessions import SessionConfig, offline_sessions

_CUT = {
    "user_id": pl.String,
    "event_id": pl.String,
    "item_id": pl.String,
    "timestamp": pl.Int64,
    "event_type": pl.String,
    "session_id": pl.String,
}
_NAMED = {"item_id": pl.String, "category": pl.String}


def with_sessions(events: pl.DataFrame, config: SessionConfig) -> pl.DataFrame:
    """The events with the id of the session that the sessionizer would have put them in.

    Args:
        events: columns user_id, event_id, item_id (str), timestamp (ms), event_type (str), and session_id (str or null,
            the publisher's) if ``config.publisher_ids``.
        config: the rules of the sessionizer.

    Returns:
        The same rows (actions only, repeats of an event once), sorted by user and time; ``session_id`` is
        now the sessionizer's. Sessions of one user may interleave if ``config.publisher_ids``.

    Raises:
        DatasetError: as ``offline_sessions``.
    """
    sessions = offline_sessions(events, config).select("session_id", "rows").explode("rows")
    named = events[sessions["rows"]].with_columns(sessions["session_id"])
    actions = config.types.of_kind(named["event_type"].unique(), "action")
    return named.filter(pl.col("event_type").is_in(actions)).sort("user_id", "timestamp", "event_id", "session_id")


def session_numbers(events: pl.DataFrame) -> Ints:
    """Number the sessions by their first event: the number of each row's session, from 0, int64 (n,).

    Args:
        events: from ``with_sessions``, or some rows of them.
    """
    first = events.select("session_id").with_row_index("at").select(pl.col("at").min().over("session_id")).to_series()
    return np.unique(first.to_numpy(), return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class ClickLog:
    """The events of a log in two orders. Training, the comparisons and fine-tuning all begin with one.

    A *position* is the number of an event in the order by user and time.

    Attributes:
        events: by user and time, as ``with_sessions`` returns them; row number = position.
        by_time: the same events by time, with their positions in the column ``at``.
        items: columns item_id, title, category.
        categories: item_id -> category, for the items that have one.
        types: what the types of events mean.
        gap_ms: a session ends when its user is silent for longer.
    """

    events: pl.DataFrame
    by_time: pl.DataFrame
    items: pl.DataFrame
    categories: dict[str, str]
    types: EventTypes
    gap_ms: int

    @classmethod
    def cut(cls, events: pl.DataFrame, items: pl.DataFrame, sessions: SessionConfig) -> Self:
        """Cut the sessions of a log.

        Args:
            events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str).
            items: columns item_id, title, category.
            sessions: the rules by which sessions end.
        """
        named = with_sessions(events, sessions)
        by_time = named.with_row_index("at").sort("timestamp", "event_id")
        return cls(
            events=named,
            by_time=by_time,
            items=items,
            categories=item_categories(items),
            types=sessions.types,
            gap_ms=sessions.gap,
        )

    @classmethod
    def of_sessions(cls, sessions: Iterable[Session], types: EventTypes, *, gap_ms: int) -> Self:
        """Take sessions that have been cut already, such as the stream has closed them.

        Args:
            sessions: in any order; of an event that is in several of them, cut by other rules, the last one counts.
            types: what the types of events mean.
            gap_ms: silence that ends a session.
        """
        rows, category = [], dict[str, str]()
        for session in sessions:
            for event in actions_of(session):
                about = event.event_id, event.item_id, event.timestamp, event.event_type
                rows.append((session.user_id, *about, session.session_id))
                if (named := category_of(event)) is not None:
                    category[event.item_id] = named
        found = pl.DataFrame(rows, schema=_CUT, orient="row").unique(
            ["user_id", "timestamp", "event_id"], keep="last", maintain_order=True
        )
        actions = types.of_kind(found["event_type"].unique(), "action")
        events = found.filter(pl.col("event_type").is_in(actions))
        events = events.sort("user_id", "timestamp", "event_id", "session_id")
        items = pl.DataFrame({"item_id": list(category), "category": list(category.values())}, schema=_NAMED)
        return cls(
            events=events,
            by_time=events.with_row_index("at").sort("timestamp", "event_id"),
            items=items.with_columns(pl.lit(None, pl.String).alias("title")),
            categories=category,
            types=types,
            gap_ms=gap_ms,
        )

    @cached_property
    def order(self) -> Ints:
        """Positions in order of time, int64 (n,)."""
        return self.by_time["at"].to_numpy().astype(np.int64)

    @cached_property
    def clicks(self) -> list[Click]:
        """The events in order of time, as a site would send them."""
        return to_clicks(self.by_time, self.categories)

    @cached_property
    def times(self) -> Ints:
        """Time of each position in ms, int64 (n,)."""
        return self.events["timestamp"].to_numpy().astype(np.int64)

    @cached_property
    def users(self) -> Ints:
        """User number of each position, ascending, int64 (n,)."""
        return self.events["user_id"].rle_id().to_numpy().astype(np.int64)

    @cached_property
    def sessions(self) -> Ints:
        """Session number of each position, by the first event of each session, int64 (n,)."""
        return session_numbers(self.events)

    @cached_property
    def history(self) -> Ints:
        """How many events the same user has before each position, int64 (n,)."""
        return np.arange(len(self.users)) - np.searchsorted(self.users, self.users)

    @cached_property
    def rank(self) -> Ints:
        """Place of each position in order of time, int64 (n,): the inverse of ``order``."""
        rank = np.empty(len(self.order), np.int64)
        rank[self.order] = np.arange(len(self.order))
        return rank

    def before(self, time: int) -> pl.DataFrame:
        """The events before a time (ms), ascending in time."""
        return self.by_time.filter(pl.col("timestamp") < time)

    def item_ids(self) -> list[str]:
        """The distinct items, by their first click."""
        names: list[str] = self.by_time["item_id"].unique(maintain_order=True).to_list()
        return names

    def categories_of(self, items: Sequence[str]) -> list[str | None]:
        """The category of each item, None where it has none."""
        return [self.categories.get(item) for item in items]
