"""The log in chunks of time: positions that share one view of what was popular, as replicas do in service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Ints
from mos_online.errors import DatasetError
from mos_online.items.popularity import WARM_UP_CLICKS, ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS
from mos_online.model.neighbours import Neighbours
from mos_online.model.realtime import Realtime, realtime_of
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Positions of a short span of time, and what is known of the items at its start.

    Attributes:
        positions: int64 (B,), of the ``ClickLog``.
        clicks_before: how many clicks of the log come before the first of them.
        seen: the item rows 1..seen had been clicked before.
        popular: what is popular then, counted over the last ``WARM_UP_CLICKS`` clicks and more.
        neighbours: of the items that the users of these positions clicked last; None where co-clicks are not counted.
        asked: int64 (B,), when it is asked what will be clicked there (ms); None: just before.
    """

    positions: Ints
    clicks_before: int
    seen: int
    popular: Realtime
    neighbours: Neighbours | None = None
    asked: Ints | None = None


def moments(
    log: ClickLog,
    catalogue: Catalogue,
    positions: Ints,
    *,
    size: int,
    half_life_ms: float,
    known: int = 0,
    asked: Ints | None = None,
) -> Iterator[Moment]:
    """Walk through the log in time and stop before each chunk of the positions, or when its first one is asked for.

    Args:
        log: all clicks.
        catalogue: rows of all items of the log, in the order of their first clicks.
        positions: int64 (p,), in order of time, equal times as ``log.order`` has them.
        size: positions of a moment.
        half_life_ms: of item popularity.
        known: the item rows 1..known had been clicked before the log begins.
        asked: int64 (p,), when each position is asked for (ms), ascending; None: just before it.

    Raises:
        DatasetError: the positions are in another order, or are asked for later than they come, so a moment would know
            clicks that come after it.
    """
    if not len(positions):
        return
    if asked is None:
        _require_order(log.rank[positions])
        begins = log.rank[positions]
    else:
        if (np.diff(asked) < 0).any() or (asked >= log.times[positions]).any():
            raise DatasetError("positions must be asked for before they come, in the order in which they are asked for")
        begins = np.searchsorted(log.times[log.order], asked)
    counts = ItemPopularity(half_life_ms=half_life_ms, gap_ms=log.gap_ms, partition=-1)
    rows = catalogue.rows_of(log.by_time["item_id"].to_list())
    newest = np.maximum(np.concatenate([[0], np.maximum.accumulate(rows)]), known)
    done = max(0, int(begins[0]) - WARM_UP_CLICKS)
    for first in range(0, len(positions), size):
        chosen, begin = slice(first, first + size), int(begins[first])
        for click in log.clicks[done:begin]:
            counts.observe(click, log.types)
        done = max(done, begin)
        popular = realtime_of(counts.snapshot(top=LISTED_ITEMS), catalogue.rows, half_life_ms=half_life_ms)
        yield Moment(
            positions=positions[chosen],
            clicks_before=begin,
            seen=int(newest[begin]),
            popular=popular,
            asked=asked[chosen] if asked is not None else None,
        )


def now_and_later(walk: Iterable[Moment]) -> tuple[list[Moment], list[Moment]]:
    """Those that are asked for just before they come, and those that are asked for at another time."""
    made = list(walk)
    return [one for one in made if one.asked is None], [one for one in made if one.asked is not None]


def spread(positions: Ints, size: int, most: int) -> Ints:
    """About ``most`` of the positions, evenly spread, ``size`` that follow each other together; all if there are fewer.

    >>> spread(np.arange(12), 2, 5).tolist()
    [0, 1, 4, 5, 8, 9]
    """
    parts = np.split(positions, np.arange(size, len(positions), size))
    wanted = -(-most // size)
    if wanted < len(parts):
        parts = [parts[number * len(parts) // wanted] for number in range(wanted)]
    return np.concatenate(parts)


def _require_order(rank: Ints) -> None:
    """Raises DatasetError unless the places in order of time, int64 (p,), ascend."""
    back = np.flatnonzero(np.diff(rank) <= 0)
    if len(back):
        at = int(back[0])
        raise DatasetError(
            f"the positions must come in the order of the log, each once, but click {rank[at]} is followed by click "
            f"{rank[at + 1]}: take them from ClickLog.order, which also orders clicks of equal times"
        )
