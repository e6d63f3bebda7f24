"""Yoochoose: clicks of a shop's sessions."""

from __future__ import annotations

from typing import Any

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


def _with_category(frame: pl.DataFrame) -> pl.DataFrame:
    """Category 0 means that none is known."""
    known = pl.col("category").str.strip_chars().is_in(["0", ""])
    return frame.with_columns(category=pl.when(~known).then(pl.format("cat_{}", pl.col("category").str.strip_chars())))


def _clicks_or_buys(title: str, *last: str, event: str, **rest: Any) -> Delimited:
    return Delimited(
        title=title,
        columns=("session", "time", "item", *last),
        header=False,
        user="session",
        item="item",
        time="time",
        unit="iso",
        event=event,
        session="session",
        sessions="the publisher's: visitors are not known beyond a session, so a session is a user",
        signs={"time": TIME},
        **rest,
    )


FORMAT = Format(
    name="yoochoose",
    title="Yoochoose clicks and buys",
    source='D. Ben-Shimon et al., "RecSys Challenge 2015 and the YOOCHOOSE dataset", RecSys 2015',
    layouts=(
        _clicks_or_buys(
            "Yoochoose yoochoose-clicks.dat or -test.dat",
            "category",
            event="click",
            category="category",
            adapt=_with_category,
        ),
        _clicks_or_buys("Yoochoose yoochoose-buys.dat", "price", "quantity", event="purchase"),
    ),
    files=("yoochoose-clicks*",),
)
