"""Taobao: views, carts, favourites and purchases of nine days."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format
from simulator.datasets.layout import code

FORMAT = Format(
    name="taobao",
    title="Taobao UserBehavior",
    source='H. Zhu et al., "Learning tree-based deep model for recommender systems", KDD 2018; Tianchi dataset 649',
    layouts=(
        Delimited(
            title="Taobao UserBehavior.csv",
            columns=("user", "item", "category", "behaviour", "time"),
            header=False,
            user="user",
            item="item",
            time="time",
            unit="s",
            type="behaviour",
            types={"pv": "view", "cart": "cart", "fav": "favorite", "buy": "purchase"},
            category="category",
            period=("2017-01-01", "2018-01-01"),
            expected={"time_out_of_range": 0.5},  # the publication has a few, some of them negative
            adapt=lambda frame: frame.with_columns(category=code("category")),
        ),
    ),
    files=("UserBehavior*",),
)
