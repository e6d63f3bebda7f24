"""The log in chunks of time: positions that share one view of what was popular, as replicas do in service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Ints
from mos_online.items.popularity import WARM_UP_CLICKS, ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS, PopularitySnapshot
from mos_online.training.click_log import ClickLog


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Positions of a short span of time, and the popularity at its start.

    Attributes:
        positions: int64 (B,), of the ``ClickLog``.
        clicks_before: how many clicks of the log come before the first of them.
        popularity: counted over the last ``WARM_UP_CLICKS`` of those and more.
    """

    positions: Ints
    clicks_before: int
    popularity: PopularitySnapshot


def moments(log: ClickLog, positions: Ints, *, size: int, half_life_ms: float) -> Iterator[Moment]:
    """Walk through the log in time and stop before each chunk of the positions.

    Args:
        log: all clicks.
        positions: int64 (p,), in order of time.
        size: positions of a moment.
        half_life_ms: of item popularity.
    """
    if not len(positions):
        return
    counts = ItemPopularity(half_life_ms=half_life_ms, partition=-1)
    done = max(0, int(log.rank[positions[0]]) - WARM_UP_CLICKS)
    for chosen in np.split(positions, np.arange(size, len(positions), size)):
        begin = int(log.rank[chosen].min())
        for click in log.clicks[done:begin]:
            counts.observe(click, log.types)
        done = max(done, begin)
        yield Moment(positions=chosen, clicks_before=begin, popularity=counts.snapshot(top=LISTED_ITEMS))
