"""How fast popularity fades on a given log, measured."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mos_online.contracts import Click
from mos_online.evaluation.baselines import RecentPopularity
from mos_online.evaluation.metrics import ndcg

HOUR = 3_600_000
CANDIDATES = tuple(hours * HOUR for hours in (1 / 4, 1 / 2, 1, 2, 4, 8, 24, 7 * 24, 30 * 24))


def choose_half_life(
    events: pl.DataFrame, *, candidates: Sequence[float] = CANDIDATES, judged: int = 20_000, every: int = 20
) -> float:
    """The half-life (ms) whose popularity has the best NDCG@10 for the next click on the newest events.

    Args:
        events: columns user_id, item_id, event_id (str), timestamp (ms), ascending in time; the training part only.
        candidates: half-lives to try, ms.
        judged: events at the end that are predicted; as many before them warm the counts up, and more if a
            candidate is long.
        every: one event in ``every`` is predicted.
    """
    newest = events.tail(judged)
    past = events.head(len(events) - len(newest))
    best, best_gain = float(candidates[0]), -1.0
    for half_life in candidates:
        popularity = RecentPopularity(half_life_ms=half_life)
        since = int(newest["timestamp"][0] - 10 * half_life)
        for click in _clicks(past.filter(pl.col("timestamp") >= since).tail(200_000)):
            popularity.observe(click)
        gain = 0.0
        for number, click in enumerate(_clicks(newest)):
            if number % every == 0:
                gain += ndcg(popularity.top(10), click.item_id)
            popularity.observe(click)
        if gain > best_gain:
            best, best_gain = float(half_life), gain
    return best


def _clicks(events: pl.DataFrame) -> list[Click]:
    columns = (events[name].to_list() for name in ("event_id", "user_id", "item_id", "timestamp"))
    return [
        Click(event_id=event_id, user_id=user, item_id=item, timestamp=timestamp)
        for event_id, user, item, timestamp in zip(*columns, strict=True)
    ]
