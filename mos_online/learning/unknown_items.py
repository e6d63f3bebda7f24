"""Items that the router in service does not know, and whether it could."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mos_online.themes.router import Router
from mos_online.themes.visits import Visit

MOST = 100_000
"""So many unknown items are counted."""


class UnknownItems:
    """Counts how many known items the unknown ones have met, session by session."""

    def __init__(self, least: int) -> None:
        """Nothing is unknown; an item that has met ``least`` known ones is ready for a row."""
        self._least = least
        self._met: Counter[str] = Counter()
        self.ready = False

    def learn(self, visits: Iterable[Visit], router: Router) -> None:
        """Take closed sessions."""
        for visit in visits:
            items = set(visit.items)
            unknown = [item for item in items if not router.has_row(item)]
            if not unknown or len(unknown) == len(items) or len(self._met) > MOST:
                continue
            for item in unknown:
                self._met[item] += len(items) - len(unknown)
                self.ready = self.ready or self._met[item] >= self._least

    def clear(self) -> None:
        """Begin again: another router is in service, or one was tried."""
        self._met.clear()
        self.ready = False
