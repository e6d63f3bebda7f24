"""A few recommendations in words, for the readers of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from mos_cli.demo.seen import Seen


def samples(seen: Seen, items: pl.DataFrame, labels: Sequence[str], count: int = 4) -> list[dict[str, Any]]:
    """A few recommendations in words: of sessions with several events, spread over the run."""
    named = items.select("item_id", "title", "category").rows_by_key("item_id", unique=True)

    def words(item: str) -> str:
        title, category = named.get(item, (None, None))
        return title or (f"{item} ({category})" if category else item)

    told = [
        (recommendation, seen.sessions[name])
        for name, recommendation in seen.recommendations.items()
        if name in seen.sessions and len(seen.sessions[name].events) >= 3 and recommendation.fallback is None
    ]
    chosen = told[:: max(1, len(told) // count)][:count]
    return [
        {
            "user_id": recommendation.user_id,
            "session_theme": _session_theme(seen, recommendation.session_id, labels),
            "clicked": list(dict.fromkeys(words(event.item_id) for event in session.events))[:5],
            "recommended": [
                f"{words(item.item_id)} [{_label(item.theme, labels)}]" for item in recommendation.items[:5]
            ],
        }
        for recommendation, session in chosen
    ]


def _session_theme(seen: Seen, session_id: str, labels: Sequence[str]) -> str:
    theme = seen.embedded.get(session_id)
    return _label(theme, labels) if theme is not None else "an unknown theme"


def _label(theme: int, labels: Sequence[str]) -> str:
    return labels[theme].split(" (")[0] if theme < len(labels) else f"theme {theme}"
