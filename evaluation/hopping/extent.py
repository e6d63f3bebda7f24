"""How long a log and its histories are."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
"""At which the lengths of histories are given."""


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How long the log and its histories are.

    Attributes:
        users, events, items, sessions: of the users that were kept.
        events_per_user, sessions_per_user: quantiles at ``QUANTILES``.
        events_per_session: mean.
        over_20, over_50: share of users with more events than this.
        long_histories: share of users with more than 20 events in three or more sessions.
        one_session: share of users with a single session; sessions_of_returning: median of all others.
        repeats: share of events on an item that the user had before.
        new_items: share of the events of the last tenth of the whole log on items unseen in its first half.
    """

    users: int
    events: int
    items: int
    sessions: int
    events_per_user: list[float]
    sessions_per_user: list[float]
    events_per_session: float
    over_20: float
    over_50: float
    long_histories: float
    one_session: float
    sessions_of_returning: float
    repeats: float
    new_items: float


def extent_of(log: pl.DataFrame, new_items: float) -> Extent:
    """Measure a log.

    Args:
        log: columns user_id, session_id, item_id, of the users that were kept.
        new_items: see ``share_of_new_items``.
    """
    users = log.group_by("user_id").agg(pl.len().alias("events"), pl.col("session_id").n_unique().alias("sessions"))
    returning = users.filter(pl.col("sessions") > 1)["sessions"]
    return Extent(
        users=len(users),
        events=len(log),
        items=log["item_id"].n_unique(),
        sessions=int(users["sessions"].sum()),
        events_per_user=np.quantile(users["events"].to_numpy(), QUANTILES).tolist(),
        sessions_per_user=np.quantile(users["sessions"].to_numpy(), QUANTILES).tolist(),
        events_per_session=len(log) / int(users["sessions"].sum()),
        over_20=float((users["events"] > 20).to_numpy().mean()),
        over_50=float((users["events"] > 50).to_numpy().mean()),
        long_histories=float(((users["events"] > 20) & (users["sessions"] >= 3)).to_numpy().mean()),
        one_session=1 - len(returning) / len(users),
        sessions_of_returning=float(np.median(returning.to_numpy())) if len(returning) else 1.0,
        repeats=1 - len(log.select("user_id", "item_id").unique()) / len(log),
        new_items=new_items,
    )


def share_of_new_items(events: pl.DataFrame) -> float:
    """Share of the events of the last tenth of a log on items that the first half does not have.

    Args:
        events: column item_id, ascending in time.
    """
    last = events["item_id"].tail(max(1, len(events) // 10))
    return float((~last.is_in(events["item_id"].head(len(events) // 2).unique().implode())).to_numpy().mean())
