"""The outcomes of a whole log, computed offline with polars: what the joiner must give, written independently of it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mos_online.contracts import AcceptedClick, Decision, Impression
from mos_online.feedback.rules import JoinRules

CLICK, IMPRESSION = ["user_id", "time", "item_id", "position"], ["user_id", "request_id", "shown_at", "event_id"]


def offline_outcomes(
    decisions: Sequence[Decision], impressions: Sequence[Impression], clicks: Sequence[AcceptedClick], rules: JoinRules
) -> pl.DataFrame:
    """Join a log in which nothing is late.

    Args:
        decisions: of several with one user and id the first counts.
        impressions, clicks: in any order; repeats of an ``event_id`` in one decision, or of a position, count once.
        rules: window and lateness.

    Returns:
        A row for each item of each decision, sorted by user, request and rank: user_id, request_id, rank, item_id,
        position (null if it was not shown), shown_by, clicks, by_request (how many of them name the decision).
    """
    items = _items(decisions)
    asked = items.select("user_id", "request_id", "begin", "trigger").unique()
    shown = _impressions(impressions, asked, rules)
    made = _clicks(clicks)
    named = made.join(asked, on=["user_id", "request_id"]).filter(_open(rules, pl.col("time")))
    by_request = named.join(items, on=["user_id", "request_id", "item_id"])
    rest = made.filter(pl.col("request_id").is_null()).select(CLICK)
    elsewhere = named.join(items, on=["user_id", "request_id", "item_id"], how="anti").select(CLICK)
    by_item = _by_item(pl.concat([rest, elsewhere]), items, shown, rules)
    key = ["user_id", "request_id", "item_id"]
    credited = pl.concat([by_request.select(*key, by_request=pl.lit(1)), by_item.select(*key, by_request=pl.lit(0))])
    counted = credited.group_by(key).agg(clicks=pl.len().cast(pl.Int64), by_request=pl.col("by_request").sum())
    explicit = shown.select("user_id", "request_id").unique().with_columns(explicit=pl.lit(True))
    return (
        items.join(counted, on=key, how="left")
        .join(_places(shown), on=key, how="left")
        .join(explicit, on=["user_id", "request_id"], how="left")
        .with_columns(
            pl.col("clicks", "by_request").fill_null(0),
            shown_by=pl.when("explicit")
            .then(pl.lit("impressions"))
            .when(pl.col("trigger") == "request")
            .then(pl.lit("request"))
            .otherwise(pl.lit("nothing")),
        )
        .with_columns(position=pl.when(pl.col("shown_by") == "request").then("rank").otherwise("place"))
        .select("user_id", "request_id", "rank", "item_id", "position", "shown_by", "clicks", "by_request")
        .sort("user_id", "request_id", "rank")
    )


def _items(decisions: Sequence[Decision]) -> pl.DataFrame:
    first: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        first.setdefault((decision.user_id, decision.request_id), decision)
    rows = [
        (one.user_id, one.request_id, one.timestamp, one.trigger, rank, item.item_id)
        for one in first.values()
        for rank, item in enumerate(one.items)
    ]
    columns = {"user_id": pl.String, "request_id": pl.String, "begin": pl.Int64, "trigger": pl.String}
    return pl.DataFrame(rows, schema={**columns, "rank": pl.Int64, "item_id": pl.String}, orient="row")


def _impressions(impressions: Sequence[Impression], asked: pl.DataFrame, rules: JoinRules) -> pl.DataFrame:
    """A row for each displayed item of the impressions that are in the window of their decision."""
    rows = [
        (one.user_id, one.request_id, one.timestamp, one.event_id, one.first_position + place, item)
        for one in impressions
        for place, item in enumerate(one.item_ids)
    ]
    columns = {"user_id": pl.String, "request_id": pl.String, "shown_at": pl.Int64, "event_id": pl.String}
    frame = pl.DataFrame(rows, schema={**columns, "place": pl.Int64, "item_id": pl.String}, orient="row")
    return frame.unique().join(asked, on=["user_id", "request_id"]).filter(_open(rules, pl.col("shown_at")))


def _clicks(clicks: Sequence[AcceptedClick]) -> pl.DataFrame:
    rows = [(one.user_id, one.timestamp, one.item_id, one.position, one.request_id) for one in clicks]
    columns = {"user_id": pl.String, "time": pl.Int64, "item_id": pl.String, "position": pl.Int64}
    return pl.DataFrame(rows, schema={**columns, "request_id": pl.String}, orient="row").unique("position")


def _open(rules: JoinRules, time: pl.Expr) -> pl.Expr:
    begin = pl.col("begin")
    return (time >= begin - rules.lateness) & (time < begin + rules.window)


def _by_item(clicks: pl.DataFrame, items: pl.DataFrame, shown: pl.DataFrame, rules: JoinRules) -> pl.DataFrame:
    """Each click with the newest decision of its user that shows the item then."""
    pairs = clicks.join(items, on=["user_id", "item_id"]).filter(
        (pl.col("time") >= pl.col("begin")) & (pl.col("time") < pl.col("begin") + rules.window)
    )
    told = pairs.join(shown.select(*IMPRESSION, seen="item_id"), on=["user_id", "request_id"], how="left")
    known = told.with_columns(known=(pl.col("shown_at") <= pl.col("time") + rules.lateness).fill_null(value=False))
    judged = known.group_by(*CLICK, "request_id", "begin", "trigger").agg(
        any=pl.col("known").any(), seen=(pl.col("known") & (pl.col("seen") == pl.col("item_id"))).any()
    )
    shows = judged.filter(pl.col("seen") | (~pl.col("any") & (pl.col("trigger") == "request")))
    return shows.sort("begin", "request_id").group_by("position").last()


def _places(shown: pl.DataFrame) -> pl.DataFrame:
    """The first place of each displayed item."""
    order = shown.sort("shown_at", "event_id", "place")
    return order.group_by("user_id", "request_id", "item_id", maintain_order=True).agg(pl.col("place").first())
