"""The co-clicks of a log as they were at one moment after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mos_online.arrays import Ints
from mos_online.items.co_clicks import CoClicks
from mos_online.model.co_clicks import ASKED
from mos_online.model.neighbours import Neighbours
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.moments import Moment

LOOKED_BACK = 3 * ASKED
"""The neighbours of so many last events of a user are at hand: some events are repeats, which are not asked for."""


@dataclass(frozen=True, kw_only=True)
class CoClickRules:
    """How co-clicks are counted: see ``CoClicks``."""

    half_life_ms: float
    window_ms: int


def with_neighbours(
    walked: Iterable[Moment], log: ClickLog, catalogue: Catalogue, rules: CoClickRules
) -> Iterator[Moment]:
    """The same moments, and the neighbours of what their users clicked last. Counts the whole log up to the last one.

    Args:
        walked: in order of time, as ``moments`` makes them.
        log: all clicks.
        catalogue: rows of the items.
        rules: how co-clicks are counted.
    """
    counted = _PastNeighbours(log, catalogue, rules)
    for moment in walked:
        yield replace(moment, neighbours=counted.of(moment.positions, moment.clicks_before))


class _PastNeighbours:
    """Counts the co-clicks of a log click by click, and stops where it is asked."""

    def __init__(self, log: ClickLog, catalogue: Catalogue, rules: CoClickRules) -> None:
        """Begin before the first click.

        Args:
            log: all clicks.
            catalogue: rows of the items.
            rules: how they are counted.
        """
        self._log, self._catalogue, self._half_life_ms = log, catalogue, rules.half_life_ms
        self._counts = CoClicks(half_life_ms=rules.half_life_ms, window_ms=rules.window_ms)
        self._items: list[str] = log.events["item_id"].to_list()
        self._counted = 0

    def of(self, positions: Ints, begin: int) -> Neighbours:
        """The neighbours, after ``begin`` clicks, of what the users of some positions clicked just before them.

        Args:
            positions: int64 (p,), of the log.
            begin: clicks in order of time; no fewer than in the call before.
        """
        for click in self._log.clicks[self._counted : begin]:
            self._counts.add(click.user_id, click.item_id, click.timestamp)
        self._counted = max(self._counted, begin)
        asked: set[str] = set()
        for position, before in zip(positions.tolist(), self._log.history[positions].tolist(), strict=True):
            asked.update(self._items[position - min(before, LOOKED_BACK) : position])
        snapshot = self._counts.snapshot(asked)
        return Neighbours.of([snapshot], self._catalogue.rows, half_life_ms=self._half_life_ms)
