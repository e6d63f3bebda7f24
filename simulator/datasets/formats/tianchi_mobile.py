"""Tianchi mobile recommendation: actions of Taobao's mobile users, by whole hours."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.layout import code


def _to_minutes(frame: pl.DataFrame) -> pl.DataFrame:
    """Times are days and hours; minutes make ISO 8601 of them."""
    hour = pl.col("time").str.strip_chars()
    return frame.with_columns(moment=pl.when(hour != "").then(hour + ":00"), category=code("item_category"))


FORMAT = Format(
    name="tianchi-mobile",
    title="Tianchi mobile recommendation",
    source="Alibaba Tianchi, competition of 2015 (offline part)",
    layouts=(
        Delimited(
            title="Tianchi tianchi_mobile_recommend_train_user.csv",
            columns=("user_id", "item_id", "behavior_type", "user_geohash", "item_category", "time"),
            user="user_id",
            item="item_id",
            time="moment",
            unit="iso",
            zone="Asia/Shanghai",
            type="behavior_type",
            types={"1": "view", "2": "favorite", "3": "cart", "4": "purchase"},
            category="category",
            like={"time": r"\d{4}-\d\d-\d\d \d\d"},
            sessions="the events of a user in hours that follow each other: the times are whole hours",
            adapt=_to_minutes,
        ),
    ),
    siblings=(
        Sibling(
            "Tianchi tianchi_mobile_recommend_train_item.csv",
            "which has no events",
            first_line("item_id,item_geohash,item_category"),
        ),
    ),
)
