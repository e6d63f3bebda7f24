"""Steam: reviews of games, both releases."""

from __future__ import annotations

import polars as pl

from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import first_of, refuse
from simulator.datasets.literals import Literals

DAYS = "a user's day: the times are whole days"


def _dated(frame: pl.DataFrame) -> pl.DataFrame:
    """Refuse reviews without a year: Steam prints none for the year in which the page was fetched."""
    posted = pl.col("posted").cast(pl.String)
    return refuse(frame, ~posted.str.contains(",", literal=True), "no_year", posted)


FORMAT = Format(
    name="steam",
    title="Steam reviews",
    source='A. Pathak, K. Gupta, J. McAuley, "Generating and personalizing bundle recommendations on Steam", SIGIR '
    '2017; W.-C. Kang, J. McAuley, "Self-attentive sequential recommendation", ICDM 2018',
    layouts=(
        Literals(
            title="Steam australian_user_reviews.json",
            user="user_id",
            item="item_id",
            time="posted",
            unit="Posted %B %d, %Y.",
            event="review",
            each="reviews",
            sessions=DAYS,
            expected={"no_year": 0.5},
            adapt=_dated,
        ),
        Literals(
            title="Steam steam_reviews.json",
            user="username",
            item="product_id",
            time="date",
            unit="iso",
            zone="UTC",
            event="review",
            sessions=DAYS,
        ),
    ),
    items=(
        ItemTable(
            layout=Literals(
                title="Steam steam_games.json",
                item="id",
                category="genre",
                fields=("app_name", "genres", "price", "developer"),
                lists=("genres",),
                has=("app_name",),
                adapt=lambda frame: frame.with_columns(genre=first_of("genres")),
            ),
            name="app_name",
        ),
    ),
    siblings=(Sibling("Steam australian_users_items.json", "which has no times", most_lines(r"\{.*'items': \[.*")),),
    files=("*reviews*",),
)
