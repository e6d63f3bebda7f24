"""Amazon, the files of ratings only."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format

USER = r"A\w*|#oc-.*"
ITEM = r"B\w*|\d{9}[\dX]"
RATING = r"[0-5](\.\d+)?"
DAYS = "a user's day: the times are whole days"


def _ratings(title: str, *columns: str, unit: str = "s", header: bool = False) -> Delimited:
    user, item = ("user_id", "parent_asin" if "parent_asin" in columns else "item")
    return Delimited(
        title=title,
        columns=columns,
        header=header,
        optional=("history",),
        user=user,
        item=item,
        time="timestamp",
        unit=unit,
        event="review",
        like={"rating": RATING},
        signs={} if header else {user: USER, item: ITEM},
        sessions=DAYS if unit == "s" else "the reviews of a user without a long gap",
    )


FORMAT = Format(
    name="amazon-ratings",
    title="Amazon ratings of 2014, 2018 and 2023",
    source="J. McAuley, C. Targett, Q. Shi, A. van den Hengel, SIGIR 2015; J. Ni, J. Li, J. McAuley, EMNLP 2019; "
    "Y. Hou et al., 2024",
    layouts=(
        _ratings("Amazon 2023 ratings", "user_id", "parent_asin", "rating", "timestamp", unit="ms", header=True),
        _ratings("Amazon 2014 ratings", "user_id", "item", "rating", "timestamp"),
        _ratings("Amazon 2018 ratings", "item", "user_id", "rating", "timestamp"),
        _ratings("Amazon 2023 ratings without header", "user_id", "item", "rating", "timestamp", unit="ms"),
    ),
)
