"""Tmall: clicks, carts, favourites and purchases before the sales of November, from two competitions."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.layout import code

DAYS = "a user's day: the times are whole days"
YEAR = "2014"


def _dated(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the year to a time, which is the month and the day without leading zeros: 829 is the 29th of August."""
    day = pl.col("time_stamp").str.strip_chars()
    return frame.with_columns(day=pl.when(day != "").then(pl.lit(YEAR) + day.str.zfill(4)), category=code("cat_id"))


FORMAT = Format(
    name="tmall",
    title="Tmall user logs",
    source="Alibaba Tianchi, competitions of IJCAI 2015 (repeat buyers) and IJCAI 2016 (Brick and Mortar)",
    layouts=(
        Delimited(
            title="Tmall of IJCAI 2015, user_log_format1.csv",
            columns=("user_id", "item_id", "cat_id", "seller_id", "brand_id", "time_stamp", "action_type"),
            user="user_id",
            item="item_id",
            time="day",
            unit="%Y%m%d",
            zone="UTC",
            type="action_type",
            types={"0": "click", "1": "cart", "2": "purchase", "3": "favorite"},
            category="category",
            like={"time_stamp": r"\d{3,4}"},
            sessions=DAYS,
            note=f"the times have a month and a day without a year, which is taken as {YEAR}",
            adapt=_dated,
        ),
        Delimited(
            title="Tmall of IJCAI 2016, ijcai2016_taobao.csv",
            columns=("use_ID", "sel_ID", "ite_ID", "cat_ID", "act_ID", "time"),
            user="use_ID",
            item="ite_ID",
            time="time",
            unit="%Y%m%d",
            zone="UTC",
            type="act_ID",
            types={"0": "click", "1": "purchase"},
            category="category",
            like={"time": r"\d{8}"},
            sessions=DAYS,
            adapt=lambda frame: frame.with_columns(category=code("cat_ID")),
        ),
    ),
    siblings=(
        Sibling(
            "Tmall user_info or train_format1",
            "which has no events",
            first_line("user_id,age_range,gender|user_id,merchant_id,(label|prob)"),
        ),
        Sibling(
            "Tmall train_format2, logs packed into one field",
            "which is not read: user_log_format1.csv holds the same",
            first_line(r"user_id,age_range,gender,merchant_id,label,activity_log"),
        ),
        Sibling(
            "IJCAI 2016 visits of shops", "which are no items", first_line(r"use_ID,loc_ID,mer_ID,time.*|mer_ID,.*")
        ),
    ),
)
