"""Clicks that a session has taken, for those who count them."""

from __future__ import annotations

from mos_online.contracts import AcceptedClicks, Click, category_of
from mos_online.contracts.clicks import MAX_CLICKS
from mos_online.contracts.fields import MAX_ID


class AcceptedLog:
    """Accepted clicks that wait to be published.

    Each has a position: ``MAX_CLICKS`` times the offset of its record, and its place among those accepted there. The
    decisions of a sessionizer are repeatable, so after a crash the same click has the same position.
    """

    def __init__(self) -> None:
        self._last = -1
        self._clear()

    def __len__(self) -> int:
        """Clicks that wait."""
        return len(self._clicks)

    @property
    def span(self) -> int:
        """Event time (ms) between the first and the last of them, as far as it went forward."""
        return self._times[-1] - self._times[0] if self._times else 0

    def add(self, click: Click, offset: int, arrival: int, weight: float) -> None:
        """Add a click of the record at ``offset``. One that is ahead of its ``arrival`` (ms) counts as sent at once."""
        position, timestamp = MAX_CLICKS * offset, click.timestamp
        if position <= self._last:
            position = self._last + 1
        self._last = position
        self._positions.append(position)
        self._times.append(timestamp if timestamp <= arrival else arrival)
        self._weights.append(weight)
        self._clicks.append(click)

    def taken(self, log_id: str) -> AcceptedClicks | None:
        """A message of the clicks that wait; afterwards none does. None if none did."""
        clicks = self._clicks
        if not clicks:
            return None
        message = AcceptedClicks.of_columns(
            log_id,
            self._positions,
            self._times,
            self._weights,
            [click.user_id for click in clicks],
            [click.item_id for click in clicks],
            [None if click.context is None else _category(click) for click in clicks],
            [click.request_id for click in clicks],
        )
        self._clear()
        return message

    def _clear(self) -> None:
        self._positions: list[int] = []
        self._times: list[int] = []
        self._weights: list[float] = []
        self._clicks: list[Click] = []


def _category(click: Click) -> str | None:
    category = category_of(click)
    return category if category is not None and len(category) <= MAX_ID else None
