"""Closed sessions as a router is learned from them: their items, in one order that everybody can find again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mos_online.contracts import Session, actions_of, category_of

LAST = chr(0x10FFFF)
"""Behind every id of a user."""


class Visit(NamedTuple):
    """What a router needs of a closed session. Visits are ordered by their first two fields.

    Attributes:
        watermark: of the session, ms.
        session_id: of the session.
        user_id: of its user.
        items: of its actions, oldest first.
        categories: of these, as the events named them; None where they did not.
    """

    watermark: int
    session_id: str
    user_id: str
    items: tuple[str, ...]
    categories: tuple[str | None, ...]

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the order of all sessions."""
        return self.watermark, self.session_id


def visit_of(session: Session) -> Visit:
    """The visit of a closed session."""
    acted = actions_of(session)
    return Visit(
        watermark=session.watermark,
        session_id=session.session_id,
        user_id=session.user_id,
        items=tuple(event.item_id for event in acted),
        categories=tuple(category_of(event) for event in acted),
    )


class VisitWindow:
    """The newest visits, each once, by event time: any order of arrival gives the same window."""

    def __init__(self, size: int) -> None:
        """Hold nothing yet.

        Args:
            size: how many visits to hold.
        """
        self._size = size
        self._visits: list[Visit] = []

    def add(self, visits: Iterable[Visit]) -> int:
        """Take visits in, and drop the oldest beyond the size.

        Returns:
            How many of them were not held yet. One that is older than all of a full window counts, and is dropped.
        """
        added = 0
        for visit in visits:
            if not self._visits or visit.place > self._visits[-1].place:
                self._visits.append(visit)
            elif not self._insert(visit):
                continue
            added += 1
        del self._visits[: max(0, len(self._visits) - self._size)]
        return added

    def __len__(self) -> int:
        """How many visits it holds."""
        return len(self._visits)

    def up_to(self, place: tuple[int, str] | None = None) -> list[Visit]:
        """The visits, oldest first; only those up to a place if it is given."""
        if place is None:
            return list(self._visits)
        return self._visits[: bisect_left(self._visits, (*place, LAST))]

    def after(self, place: tuple[int, str]) -> list[Visit]:
        """The visits after a place, oldest first."""
        return self._visits[bisect_left(self._visits, (*place, LAST)) :]

    def _insert(self, visit: Visit) -> bool:
        at = bisect_left(self._visits, visit.place)
        if at < len(self._visits) and self._visits[at].place == visit.place:
            return False
        self._visits.insert(at, visit)
        return True


class LaidOut(NamedTuple):
    """Sessions laid end to end, as ``Router.session_themes`` takes them.

    Attributes:
        item_ids: of all actions, session by session.
        categories: in the same order.
        lengths: actions of each session, at least 1.
    """

    item_ids: list[str]
    categories: list[str | None]
    lengths: list[int]


def laid_out(visits: Sequence[Visit]) -> LaidOut:
    """Lay visits end to end; none of them may be empty."""
    return LaidOut(
        item_ids=[item for visit in visits for item in visit.items],
        categories=[category for visit in visits for category in visit.categories],
        lengths=[len(visit.items) for visit in visits],
    )
