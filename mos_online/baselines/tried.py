"""What a counting recommender would have gained on the newest part of a log, to choose its settings by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import polars as pl

from mos_online.baselines.had_items import HadItems
from mos_online.contracts import Click
from mos_online.items.clicks import to_clicks
from mos_online.metrics.ranking import ndcg

HOUR = 3_600_000
"""In ms."""

Rank = Callable[[Click, Collection[str]], list[str]]
"""The best items for the user of a click, without those that are named."""

Observe = Callable[[Click], None]


def split(events: pl.DataFrame, judged: int, learned: int) -> tuple[list[Click], list[Click]]:
    """Clicks to learn from, and the newest ones, to be predicted."""
    clicks = to_clicks(events.tail(learned + judged), {})
    cut = max(0, len(clicks) - judged)
    return clicks[:cut], clicks[cut:]


def gains_of(
    past: Sequence[Click], newest: Sequence[Click], every: int, rank: Rank, observe: Observe
) -> dict[bool, float]:
    """Sum of NDCG@10 over one in ``every`` of the newest clicks, each predicted just before it is learned.

    Returns:
        By whether items that the user had may be in the lists.
    """
    had = HadItems()
    for click in past:
        observe(click)
        had.observe(click)
    gains = {True: 0.0, False: 0.0}
    for number, click in enumerate(newest):
        if number % every == 0:
            gains[True] += ndcg(rank(click, ()), click.item_id)
            gains[False] += ndcg(rank(click, had.of(click.user_id)), click.item_id)
        observe(click)
        had.observe(click)
    return gains
