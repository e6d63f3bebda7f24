"""Fliggy: clicks, favourites, carts and payments of travellers."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format

FORMAT = Format(
    name="fliggy",
    title="Fliggy user behaviour",
    source="Alibaba Tianchi, dataset 113649 (Fliggy)",
    layouts=(
        Delimited(
            title="Fliggy user_item_behavior_history.csv",
            columns=("user", "item", "behaviour", "time"),
            header=False,
            user="user",
            item="item",
            time="time",
            unit="s",
            type="behaviour",
            types={"clk": "click", "fav": "favorite", "cart": "cart", "pay": "purchase"},
        ),
    ),
    files=("user_item_behavior_history*",),
)
