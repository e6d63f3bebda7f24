"""What a counting recommender would have gained on the newest part of a log, to choose its settings by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from mos_online.contracts import Click
from mos_online.items.clicks import to_clicks
from mos_online.metrics.ranking import ndcg

HOUR = 3_600_000
"""In ms."""

Rank = Callable[[Click], list[str]]
Observe = Callable[[Click], None]


def split(events: pl.DataFrame, judged: int, learned: int) -> tuple[list[Click], list[Click]]:
    """Clicks to learn from, and the newest ones, to be predicted."""
    clicks = to_clicks(events.tail(learned + judged), {})
    cut = max(0, len(clicks) - judged)
    return clicks[:cut], clicks[cut:]


def gain_of(past: Sequence[Click], newest: Sequence[Click], every: int, rank: Rank, observe: Observe) -> float:
    """Sum of NDCG@10 over one in ``every`` of the newest clicks, each predicted just before it is learned."""
    for click in past:
        observe(click)
    gain = 0.0
    for number, click in enumerate(newest):
        if number % every == 0:
            gain += ndcg(rank(click), click.item_id)
        observe(click)
    return gain
