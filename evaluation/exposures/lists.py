"""What users had in view: the lists of a log with impressions."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mos_online.contracts import EventTypes
from mos_online.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """A list that was shown, with at least one item clicked and one not.

    Attributes:
        user: who; time: ms since epoch; click: id of the event of its first click.
        items: distinct ids; clicked: of each item.
    """

    user: str
    time: int
    click: str
    items: tuple[str, ...]
    clicked: tuple[bool, ...]


def exposures(events: pl.DataFrame, types: EventTypes) -> list[Exposure]:
    """The lists of a log, ascending in time: rows of one user, moment and session, some of them not clicked.

    Args:
        events: columns user_id, item_id, event_id, event_type, session_id (str, may be null), timestamp (ms); a shown
            item has a type that is an exposure or, if it was clicked, an action.
        types: what the types of events mean.

    Raises:
        DatasetError: no list has both an item that was clicked and one that was not.
    """
    keys = ["timestamp", "user_id", "session_id"]
    chosen = pl.col("event_type").is_in(types.of_kind(events["event_type"].unique(), "action"))
    rows = events.with_columns(clicked=chosen, click=pl.when(chosen).then("event_id"))
    items = rows.group_by([*keys, "item_id"], maintain_order=True).agg(pl.col("clicked").any(), pl.col("click").min())
    lists = items.group_by(keys, maintain_order=True).agg("item_id", "clicked", pl.col("click").min())
    both = pl.col("clicked").list.any() & ~pl.col("clicked").list.all()
    found = [
        Exposure(
            user=row["user_id"],
            time=row["timestamp"],
            click=row["click"],
            items=tuple(row["item_id"]),
            clicked=tuple(row["clicked"]),
        )
        for row in lists.filter(both).sort("timestamp", "click").iter_rows(named=True)
    ]
    if not found:
        raise DatasetError(
            f"none of {len(lists)} moments has an item that was clicked and one that was only shown; "
            "give a log that records what was shown"
        )
    return found
