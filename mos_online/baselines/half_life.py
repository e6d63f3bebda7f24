"""How fast a baseline should forget on a given log, measured on its newest part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from mos_online.baselines.counting import LastItemKnn, RecentPopularity
from mos_online.contracts import Click
from mos_online.items.clicks import to_clicks
from mos_online.metrics.ranking import ndcg

HOUR = 3_600_000
CANDIDATES = tuple(hours * HOUR for hours in (1 / 4, 1 / 2, 1, 2, 4, 8, 24, 7 * 24, 30 * 24))
KNN_CANDIDATES = tuple(hours * HOUR for hours in (2, 24, 30 * 24, 180 * 24))

LEARNED, KNN_LEARNED = 200_000, 100_000
"""At most so many clicks before the judged ones are learned; kNN learns more slowly."""

Rank = Callable[[Click], list[str]]
Observe = Callable[[Click], None]


def choose_half_life(
    events: pl.DataFrame, *, candidates: Sequence[float] = CANDIDATES, judged: int = 20_000, every: int = 5
) -> float:
    """The half-life (ms) whose popularity has the best NDCG@10 for the next click on the newest events.

    Args:
        events: columns user_id, item_id, event_id, event_type (str), timestamp (ms), ascending in time; the training
            part only.
        candidates: half-lives to try, ms; of equally good ones the first wins.
        judged: events at the end that are predicted.
        every: one event in ``every`` is predicted.
    """
    past, newest = _split(events, judged, LEARNED)

    def gain(half_life: float) -> float:
        popularity = RecentPopularity(half_life_ms=half_life)
        since = newest[0].timestamp - 10 * half_life if newest else 0  # older clicks weigh less than 1/1000
        recent = [click for click in past if click.timestamp >= since]
        return _gain(recent, newest, every, lambda click: popularity.top(10), popularity.observe)

    return float(max(candidates, key=gain))


def choose_knn_half_life(
    events: pl.DataFrame,
    *,
    gap_ms: int,
    popularity_half_life_ms: float,
    candidates: Sequence[float] = KNN_CANDIDATES,
    judged: int = 20_000,
    every: int = 5,
) -> float:
    """The same for the co-clicks of ``LastItemKnn``, which stay true for longer than popularity.

    How much longer differs too much for a rule: news did best at 2 hours (popularity at 15 minutes), check-ins and film
    ratings at half a year (popularity at an hour and at a week). At a week, film ratings lose a quarter of their hits.

    Args:
        events: as for ``choose_half_life``, as are ``candidates``, ``judged`` and ``every``.
        gap_ms: of sessions.
        popularity_half_life_ms: of the popularity that fills the lists.
        candidates: half-lives to try, ms.
        judged: events at the end that are predicted.
        every: one event in ``every`` is predicted.
    """
    past, newest = _split(events, judged, KNN_LEARNED)

    def gain(half_life: float) -> float:
        fill = RecentPopularity(half_life_ms=popularity_half_life_ms)
        knn = LastItemKnn(gap_ms=gap_ms, half_life_ms=half_life, fill=fill)

        def observe(click: Click) -> None:
            fill.observe(click)
            knn.observe(click)

        return _gain(past, newest, every, lambda click: knn.top(click.user_id, 10), observe)

    return float(max(candidates, key=gain))


def knn_half_life(half_life_ms: float) -> float:
    """The half-life (ms) of co-clicks where there is no time to choose one: four times that of popularity.

    Co-clicks stay true for longer than counts; on globo_news last-item kNN did best at four times popularity's.
    """
    return 4 * half_life_ms


def _split(events: pl.DataFrame, judged: int, learned: int) -> tuple[list[Click], list[Click]]:
    """Clicks to learn from, and the newest ones, to be predicted."""
    clicks = to_clicks(events.tail(learned + judged), {})
    cut = max(0, len(clicks) - judged)
    return clicks[:cut], clicks[cut:]


def _gain(past: Sequence[Click], newest: Sequence[Click], every: int, rank: Rank, observe: Observe) -> float:
    """Sum of NDCG@10 over one in ``every`` of the newest clicks, each predicted just before it is learned."""
    for click in past:
        observe(click)
    gain = 0.0
    for number, click in enumerate(newest):
        if number % every == 0:
            gain += ndcg(rank(click), click.item_id)
        observe(click)
    return gain
