"""Diginetica: sessions of a shop's visitors."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import code, refuse

NOBODY = ["NA", "Na", "na", "NULL", "Null", "null", ""]
"""What stands in place of a visitor who did not log in."""


def _placed(frame: pl.DataFrame) -> pl.DataFrame:
    """Put times together, and name visitors.

    ``timeframe`` is milliseconds since the session began, and ``eventdate`` a day without a time. So every session of
    a day begins at midnight: gaps inside sessions are real, the order of sessions within a day is not. A visitor who
    did not log in is known by the session, as ``session-<id>``: sessions of a day are never those of one user.
    """
    names = {name.lower().replace("_", ""): name for name in frame.columns}
    session, user = (frame[names[name]].str.strip_chars() for name in ("sessionid", "userid"))
    day = frame["eventdate"].str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
    offset = frame["timeframe"].str.strip_chars().cast(pl.Int64, strict=False)
    inside = offset.set(~offset.is_between(0, 7 * 86_400_000), None)
    moment = day.cast(pl.Datetime("ms")).dt.epoch("ms") + inside
    named = pl.when(session != "").then("session-" + session)
    frame = frame.with_columns(user=pl.when(~user.is_in(NOBODY)).then(user).otherwise(named), moment=moment)
    found = pl.format("{} and {}", "eventdate", "timeframe")
    return refuse(frame, pl.col("moment").is_null(), "unreadable_time", found)


def _events(title: str, session: str, user: str, item: str, *further: str, event: str = "view") -> Delimited:
    return Delimited(
        title=title,
        columns=(session, user, item, "timeframe", "eventdate", *further),
        separator=";",
        user="user",
        item=item,
        time="moment",
        unit="ms",
        event=event,
        session=session,
        sessions="the publisher's; all sessions of a day begin at midnight",
        adapt=_placed,
    )


FORMAT = Format(
    name="diginetica",
    title="Diginetica views and purchases",
    source="CIKM Cup 2016, track 2 (personalised e-commerce search)",
    layouts=(
        _events("Diginetica train-item-views.csv", "sessionId", "userId", "itemId"),
        _events("Diginetica train-item-views.csv with names of SR-GNN", "session_id", "user_id", "item_id"),
        _events("Diginetica train-purchases.csv", "sessionId", "userId", "itemId", "ordernumber", event="purchase"),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="Diginetica product-categories.csv",
                columns=("itemId", "categoryId"),
                separator=";",
                item="itemId",
                category="category",
                adapt=lambda frame: frame.with_columns(category=code("categoryId")),
            ),
        ),
    ),
    siblings=(
        Sibling(
            "another file of Diginetica",
            "which is not read: its clicks name queries and no users, its products have no titles",
            first_line(r"(sessionId|queryId|order_number|ordernumber|itemId);.*"),
        ),
    ),
    files=("train-item-views*",),
)
