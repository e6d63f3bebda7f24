"""Clicks that a session has taken, for those who count them."""

from __future__ import annotations

from mos_online.contracts import AcceptedClick, Click, category_of
from mos_online.contracts.clicks import MAX_CLICKS
from mos_online.contracts.fields import MAX_ID


class AcceptedLog:
    """Accepted clicks that wait to be published.

    Each has a position: ``MAX_CLICKS`` times the offset of its record, and its place among those accepted there. The
    decisions of a sessionizer are repeatable, so after a crash the same click has the same position.

    Attributes:
        waiting: in the order of their positions.
    """

    def __init__(self) -> None:
        self.waiting: list[AcceptedClick] = []
        self._last = -1

    def add(self, click: Click, offset: int, arrival: int, weight: float) -> None:
        """Add a click of the record at ``offset``. One that is ahead of its ``arrival`` (ms) counts as sent at once."""
        position, timestamp = MAX_CLICKS * offset, click.timestamp
        if position <= self._last:
            position = self._last + 1
        self._last = position
        timestamp = min(timestamp, arrival)
        category = category_of(click)
        if category is not None and len(category) > MAX_ID:
            category = None
        self.waiting.append(AcceptedClick(position, timestamp, weight, click.user_id, click.item_id, category))

    def taken(self) -> list[AcceptedClick]:
        """Those that are waiting; afterwards none is."""
        waiting, self.waiting = self.waiting, []
        return waiting
