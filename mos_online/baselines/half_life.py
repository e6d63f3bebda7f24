"""How fast popularity should forget on a given log, and whether it repeats, measured on its newest part."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mos_online.baselines.counting import RecentPopularity
from mos_online.baselines.tried import HOUR, gains_of, split

CANDIDATES = tuple(hours * HOUR for hours in (1 / 4, 1 / 2, 1, 2, 4, 8, 24, 7 * 24, 30 * 24))

LEARNED = 200_000
"""At most so many clicks before the judged ones are learned."""


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
    past, newest = split(events, judged, LEARNED)

    def gain(half_life: float) -> float:
        popularity = RecentPopularity(half_life_ms=half_life)
        since = newest[0].timestamp - 10 * half_life if newest else 0  # older clicks weigh less than 1/1000
        recent = [click for click in past if click.timestamp >= since]
        gains = gains_of(recent, newest, every, lambda _, unwanted: popularity.top(10, unwanted), popularity.observe)
        return gains[True]

    return float(max(candidates, key=gain))


def popularity_repeats(events: pl.DataFrame, *, half_life_ms: float, judged: int = 20_000) -> bool:
    """Whether popularity does no better without the items that a user had.

    Args:
        events: as for ``choose_half_life``, as is ``judged``, but at most half of them; about 4,000 are predicted.
        half_life_ms: of popularity.
    """
    past, newest = split(events, min(judged, len(events) // 2), LEARNED)
    popularity = RecentPopularity(half_life_ms=half_life_ms)
    every = max(len(newest) // 4_000, 1)
    gains = gains_of(past, newest, every, lambda _, unwanted: popularity.top(10, unwanted), popularity.observe)
    return gains[True] >= gains[False]
