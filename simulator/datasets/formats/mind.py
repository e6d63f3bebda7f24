"""MIND: news shown and clicked on MSN News."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.item_table import ItemTable

TIME = r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M"


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    """One row for each news that was shown.

    It ends in -1 if it was clicked, in -0 if not, and in neither in the test part.
    """
    shown = pl.col("impressions").str.strip_chars().str.split(" ")
    frame = frame.with_columns(shown=shown).explode("shown")
    return frame.with_columns(
        news=pl.col("shown").str.replace(r"-[01]$", ""), clicked=pl.col("shown").str.extract(r"-([01])$")
    )


FORMAT = Format(
    name="mind",
    title="MIND news impressions",
    source='F. Wu et al., "MIND: a large-scale dataset for news recommendation", ACL 2020',
    layouts=(
        Delimited(
            title="MIND behaviors.tsv",
            columns=("impression", "user", "time", "history", "impressions"),
            separator="\t",
            header=False,
            quoted=False,
            user="user",
            item="news",
            time="time",
            unit="%m/%d/%Y %I:%M:%S %p",
            event="impression",
            value="clicked",
            signs={"time": TIME},
            note="each news of an impression is an event, a click where it was clicked; the history of a user has no "
            "times and is not read",
            adapt=_shown,
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="MIND news.tsv",
                columns=(
                    "news",
                    "category",
                    "subcategory",
                    "title",
                    "abstract",
                    "url",
                    "entities",
                    "abstract_entities",
                ),
                separator="\t",
                header=False,
                quoted=False,
                item="news",
                category="category",
                signs={"news": r"N\d+"},
            ),
            name="title",
        ),
    ),
    siblings=(
        Sibling(
            "MIND embeddings of entities or relations", "which has no events", most_lines(r"[QP]\d+(\t-?\d.*){5,}")
        ),
    ),
    files=("behaviors*",),
)
