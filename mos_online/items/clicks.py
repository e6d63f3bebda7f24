"""Clicks and categories from the frames of a log."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from mos_online.contracts import Click, Context


def item_categories(items: pl.DataFrame) -> dict[str, str]:
    """Map item_id to category, for the items that have one.

    Args:
        items: columns item_id (str) and category (str or null).
    """
    known = items.filter(pl.col("category").is_not_null())
    return dict(zip(known["item_id"].to_list(), known["category"].to_list(), strict=True))


def to_clicks(events: pl.DataFrame, categories: Mapping[str, str]) -> list[Click]:
    """Turn rows into clicks, each with its item's category in the context, as a site would send it.

    Args:
        events: columns event_id, user_id, item_id (str), timestamp (ms), event_type (str).
        categories: item_id -> category.
    """
    contexts: dict[str, Context] = {name: {"category": name} for name in set(categories.values())}
    columns = (events[name].to_list() for name in ("event_id", "user_id", "item_id", "timestamp", "event_type"))
    return [
        Click(
            event_id=event_id,
            user_id=user,
            item_id=item,
            timestamp=timestamp,
            event_type=event_type,
            context=contexts[categories[item]] if item in categories else None,
        )
        for event_id, user, item, timestamp, event_type in zip(*columns, strict=True)
    ]
