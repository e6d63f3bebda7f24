"""The clicks of a log as they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from mos_online.contracts import Click, Context


def clicks_of(events: pl.DataFrame, categories: Mapping[str, str]) -> Iterator[Click]:
    """The clicks of a log: rows as of ``Dataset.clicks``, which name the categories of their items as far as known."""
    contexts: dict[str, Context] = {item: {"category": category} for item, category in categories.items()}
    columns = events.select("user_id", "item_id", "event_id", "timestamp", "event_type", "session_id")
    for user, item, event, timestamp, kind, session in columns.iter_rows():
        yield Click(
            event_id=event,
            user_id=user,
            item_id=item,
            timestamp=timestamp,
            event_type=kind,
            session_id=session,
            context=contexts.get(item),
        )
