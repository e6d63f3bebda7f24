"""EB-NeRD: news shown and clicked at Ekstra Bladet."""

from __future__ import annotations

import polars as pl

from simulator.datasets.format import Format
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import refuse
from simulator.datasets.parquet import ParquetTable

SHOWN, CLICKED = "article_ids_inview", "article_ids_clicked"
TIMES, ARTICLES = "impression_time_fixed", "article_id_fixed"


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    """One row for each article that was shown, and whether it was clicked, where that is told."""
    numbers = pl.List(pl.Int64)
    frame = frame.filter(_any(SHOWN)).with_columns(article=pl.col(SHOWN).cast(numbers)).explode("article")
    if CLICKED not in frame.columns:
        return frame.with_columns(clicked=pl.lit(None, pl.Int8))
    return frame.with_columns(clicked=pl.col(CLICKED).cast(numbers).list.contains(pl.col("article")).cast(pl.Int8))


def _clicked_before(frame: pl.DataFrame) -> pl.DataFrame:
    """One row for each article in the history of a user; the lists of a user must be of one length."""
    uneven = pl.col(TIMES).list.len() != pl.col(ARTICLES).list.len()
    frame = refuse(frame, uneven, "fields", pl.lit(f"{TIMES} and {ARTICLES} have different lengths"))
    even = ~uneven.fill_null(value=False)
    lists = [pl.when(even).then(name).otherwise(pl.col(name).list.head(1)).alias(name) for name in (TIMES, ARTICLES)]
    frame = frame.with_columns(lists)
    refused = frame.filter(~even).explode(TIMES).explode(ARTICLES)
    return frame.filter(even & _any(TIMES)).explode(TIMES, ARTICLES).vstack(refused)


def _any(column: str) -> pl.Expr:
    """Whether a list holds something; one that is missing may be a fault, and stays."""
    return (pl.col(column).list.len() > 0).fill_null(value=True)


def _behaviors(title: str, *lists: str) -> ParquetTable:
    return ParquetTable(
        title=title,
        columns=("user_id", "session_id", "impression_time", *lists),
        lists=lists,
        at_once=100_000,
        user="user_id",
        item="article",
        time="impression_time",
        event="impression",
        session="session_id",
        value="clicked",
        sessions="the publisher's",
        note="each article of an impression is an event, a click where it was clicked; the order in which articles "
        "were shown is not kept by the publisher",
        adapt=_shown,
    )


FORMAT = Format(
    name="ebnerd",
    title="EB-NeRD news impressions",
    source='J. Kruse et al., "EB-NeRD: a large-scale dataset for news recommendation", RecSys Challenge 2024',
    layouts=(
        _behaviors("EB-NeRD behaviors.parquet", SHOWN, CLICKED),
        _behaviors("EB-NeRD behaviors.parquet of the test part", SHOWN),
        ParquetTable(
            title="EB-NeRD history.parquet",
            columns=("user_id", TIMES, ARTICLES),
            lists=(TIMES, ARTICLES),
            at_once=10_000,
            user="user_id",
            item=ARTICLES,
            time=TIMES,
            adapt=_clicked_before,
        ),
    ),
    items=(
        ItemTable(
            layout=ParquetTable(
                title="EB-NeRD articles.parquet",
                columns=("article_id", "title", "category_str"),
                item="article_id",
                category="category_str",
            ),
            name="title",
        ),
    ),
    files=("behaviors.parquet",),
)
