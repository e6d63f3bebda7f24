"""Diginetica: sessions of a shop's visitors."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.layout import refuse


def _placed(frame: pl.DataFrame) -> pl.DataFrame:
    """Put times together, and name visitors.

    ``timeframe`` is milliseconds since the session began, and ``eventdate`` a day without a time. So every session of
    a day begins at midnight: gaps inside sessions are real, the order of sessions within a day is not. A visitor who
    did not log in is known by the session, as ``session-<id>``: sessions of a day are never those of one user.
    """
    names = {name.lower().replace("_", ""): name for name in frame.columns}
    session, user = pl.col(names["sessionid"]), pl.col(names["userid"]).str.strip_chars()
    day = pl.col("eventdate").str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
    offset = pl.col("timeframe").str.strip_chars().cast(pl.Int64, strict=False)
    inside = pl.when(offset.is_between(0, 7 * 86_400_000)).then(offset)
    anonymous = user.str.to_uppercase().is_in(["NA", "NULL", ""])
    known = session.str.strip_chars() != ""
    moment = day.cast(pl.Datetime("ms")).dt.epoch("ms") + inside
    found = pl.format("{} and {}", "eventdate", "timeframe")
    named = pl.when(~anonymous).then(user).when(known).then(pl.format("session-{}", session.str.strip_chars()))
    frame = frame.with_columns(user=named, moment=moment)
    return refuse(frame, pl.col("moment").is_null(), "unreadable_time", found)


def _views(session: str, user: str, item: str) -> Delimited:
    return Delimited(
        title="Diginetica item views",
        columns=(session, user, item, "timeframe", "eventdate"),
        separator=";",
        user="user",
        item=item,
        time="moment",
        unit="ms",
        event="view",
        session=session,
        sessions="the publisher's; all sessions of a day begin at midnight",
        adapt=_placed,
    )


FORMAT = Format(
    name="diginetica",
    title="Diginetica item views",
    source="CIKM Cup 2016, track 2 (personalised e-commerce search)",
    layouts=(_views("sessionId", "userId", "itemId"), _views("session_id", "user_id", "item_id")),
    siblings=(
        Sibling(
            "another file of Diginetica",
            "which is not read: only train-item-views.csv is",
            first_line(r"(sessionId|queryId|order_number|ordernumber|itemId);.*"),
        ),
    ),
)
