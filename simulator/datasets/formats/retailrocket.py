"""Retailrocket: events of a shop."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import code


def _categories(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows that tell of a category; all other properties are hashed, but for whether an item is available."""
    told = frame.filter(pl.col("property").str.strip_chars() == "categoryid")
    return told.select("row", "timestamp", "itemid", category=code("value"))


FORMAT = Format(
    name="retailrocket",
    title="Retailrocket events",
    source='"Retailrocket recommender system dataset", Kaggle 2016',
    layouts=(
        Delimited(
            title="Retailrocket events.csv",
            columns=("timestamp", "visitorid", "event", "itemid", "transactionid"),
            user="visitorid",
            item="itemid",
            time="timestamp",
            unit="ms",
            type="event",
            types={"view": "view", "addtocart": "cart", "transaction": "purchase"},
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="Retailrocket item_properties",
                columns=("timestamp", "itemid", "property", "value"),
                item="itemid",
                category="category",
                adapt=_categories,
            ),
            order="timestamp",
        ),
    ),
    siblings=(Sibling("Retailrocket category_tree", "which has no events", first_line("categoryid,parentid")),),
    files=("events.csv*",),
)
