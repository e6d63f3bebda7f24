"""Amazon, the files of reviews."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulator.datasets.format import Format
from simulator.datasets.item_table import ItemTable
from simulator.datasets.json_lines import JsonLines
from simulator.datasets.literals import Literals


def _second_category(path: str, otherwise: str = "") -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The second of the categories on the way to an item; the first is that of the whole file."""
    parts = pl.col(path).cast(pl.String).str.split("|")
    second = pl.coalesce(parts.list.get(1, null_on_oob=True), otherwise or parts.list.get(0, null_on_oob=True))
    return lambda frame: frame.with_columns(second=second)


FORMAT = Format(
    name="amazon-reviews",
    title="Amazon reviews of 2014, 2018 and 2023",
    source="R. He, J. McAuley, WWW 2016; J. Ni, J. Li, J. McAuley, EMNLP 2019; Y. Hou et al., 2024",
    layouts=(
        JsonLines(
            title="Amazon 2014 or 2018 reviews",
            user="reviewerID",
            item="asin",
            time="unixReviewTime",
            unit="s",
            event="review",
            sessions="a user's day: the times are whole days",
        ),
        Literals(
            title="Amazon 2014 reviews as Python literals",
            user="reviewerID",
            item="asin",
            time="unixReviewTime",
            unit="s",
            event="review",
            sessions="a user's day: the times are whole days",
        ),
        JsonLines(
            title="Amazon 2023 reviews",
            user="user_id",
            item="parent_asin",
            time="timestamp",
            unit="ms",
            event="review",
            sessions="the reviews of a user without a long gap",
        ),
    ),
    items=(
        ItemTable(
            layout=Literals(
                title="Amazon 2014 metadata of items",
                item="asin",
                category="second",
                fields=("title", "price", "brand", "categories"),
                lists=("categories",),
                has_not=("reviewerID", "parent_asin", "category"),
                adapt=_second_category("categories"),
            ),
            name="title",
        ),
        ItemTable(
            layout=JsonLines(
                title="Amazon 2018 metadata of items",
                item="asin",
                category="second",
                fields=("asin", "title", "price", "brand", "category"),
                lists=("category", "title", "price", "brand"),
                has=("asin", "category"),
                has_not=("reviewerID", "parent_asin"),
                adapt=_second_category("category"),
            ),
            name="title",
        ),
        ItemTable(
            layout=JsonLines(
                title="Amazon 2023 metadata of items",
                item="parent_asin",
                category="second",
                fields=("parent_asin", "title", "price", "store", "main_category", "categories"),
                lists=("categories",),
                has=("parent_asin", "main_category"),
                has_not=("user_id",),
                adapt=_second_category("categories", "main_category"),
            ),
            name="title",
        ),
    ),
)
