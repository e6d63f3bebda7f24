"""Yelp Open Dataset: reviews of businesses."""

from __future__ import annotations

import polars as pl

from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.item_table import ItemTable
from simulator.datasets.json_lines import JsonLines


def _first_category(frame: pl.DataFrame) -> pl.DataFrame:
    """The first of the categories, which are one text with commas, and up to the release of 2017 a list."""
    return frame.with_columns(first=pl.col("categories").cast(pl.String).str.extract(r"^\s*([^,|]+)"))


FORMAT = Format(
    name="yelp",
    title="Yelp reviews",
    source="Yelp Open Dataset, yelp_academic_dataset_review.json",
    layouts=(
        JsonLines(
            title="Yelp yelp_academic_dataset_review.json",
            user="user_id",
            item="business_id",
            time="date",
            unit="iso",
            event="review",
            has=("stars",),
            sessions="the reviews of a user without a long gap; up to the release of 2017 a user's day",
        ),
    ),
    items=(
        ItemTable(
            layout=JsonLines(
                title="Yelp yelp_academic_dataset_business.json",
                item="business_id",
                category="first",
                fields=("business_id", "name", "city", "state", "categories"),
                lists=("categories",),
                has=("business_id", "review_count"),
                has_not=("user_id",),
                adapt=_first_category,
            ),
            name="name",
        ),
    ),
    siblings=(
        Sibling(
            "Yelp tips",
            "which are no reviews",
            most_lines(r'\{(?!.*"stars").*"business_id".*"(compliment_count|likes)".*'),
        ),
        Sibling(
            "Yelp check-ins", "which name no user", most_lines(r'\{(?!.*"user_id").*"business_id".*"(date|time)".*')
        ),
        Sibling("Yelp users", "which has no events", most_lines(r'\{.*"user_id".*"yelping_since".*')),
    ),
    files=("*review*",),
)
