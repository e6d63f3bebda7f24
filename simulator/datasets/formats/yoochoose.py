"""Yoochoose: clicks of a shop's sessions."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, most_lines

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


def _with_category(frame: pl.DataFrame) -> pl.DataFrame:
    """Category 0 means that none is known."""
    known = pl.col("category").str.strip_chars().is_in(["0", ""])
    return frame.with_columns(category=pl.when(~known).then(pl.format("cat_{}", pl.col("category").str.strip_chars())))


FORMAT = Format(
    name="yoochoose",
    title="Yoochoose clicks",
    source='D. Ben-Shimon et al., "RecSys Challenge 2015 and the YOOCHOOSE dataset", RecSys 2015',
    layouts=(
        Delimited(
            title="Yoochoose yoochoose-clicks.dat",
            columns=("session", "time", "item", "category"),
            header=False,
            user="session",
            item="item",
            time="time",
            unit="iso",
            session="session",
            sessions="the publisher's: visitors are not known beyond a session, so a session is a user",
            category="category",
            signs={"time": TIME},
            adapt=_with_category,
        ),
    ),
    siblings=(Sibling("Yoochoose buys", "which is not read", most_lines(rf"\d+,{TIME},\d+,\d+,\d+")),),
)
