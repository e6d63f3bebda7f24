"""Retailrocket: events of a shop."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line

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
    siblings=(
        Sibling("Retailrocket item_properties", "which has no events", first_line("timestamp,itemid,property,value")),
        Sibling("Retailrocket category_tree", "which has no events", first_line("categoryid,parentid")),
    ),
)
