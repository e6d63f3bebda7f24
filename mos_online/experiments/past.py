"""What users did before they were in an experiment, as far as it is known from their closed sessions."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from mos_online.contracts import Session
from mos_online.experiments.counting import NOTHING, Counting, Sums

DAY = 86_400_000
DAYS = 14
"""Days before the day of a user's exposure that count, and that day itself up to the exposure."""

MOST_KEPT = 1_000_000
"""Days of users that are remembered; with more, the oldest day is forgotten."""

MOST_ITEMS = 10_000
"""Items whose popularity is remembered, the most popular ones; others count as not popular."""

FEWEST_ACTIONS = 1_000
FEWEST_USERS = 1_000
"""With fewer, nothing is said of the popularity of items, and of what is usual for a user."""

USUAL = 0.999
"""The quantile of users beyond which what one does is an outlier."""


class Past:
    """Sums of each user and day, and the sessions of the last moments one by one.

    A session counts as the past of a moment if it had closed then. What the sessions of a user say of the time before
    an exposure is so fixed at the exposure: whether a session goes on longer may depend on the arm.

    Args:
        counting: what counts.
        recent: sessions that closed within so many ms stay whole: an exposure is known so long after it was.
    """

    def __init__(self, counting: Counting, *, recent: int) -> None:
        self.counting = counting
        self._recent_for = recent
        self._recent: deque[Session] = deque()
        self._of_user: dict[str, list[Session]] = {}
        self._days: dict[int, dict[str, Sums]] = {}
        self._items: dict[int, Counter[str]] = {}
        self._kept = 0
        self._summed_to = -1
        self._begins_at: int | None = None

    def add(self, sessions: Iterable[Session]) -> None:
        """Take closed sessions, in the order of ``watermark``."""
        for session in sessions:
            if self._begins_at is None:
                self._begins_at = session.watermark
            self._recent.append(session)
            self._of_user.setdefault(session.user_id, []).append(session)

    def advance(self, event_time: int) -> None:
        """Sum up what is no longer recent."""
        while self._recent and self._recent[0].watermark < event_time - self._recent_for:
            self._sum_up(self._recent.popleft())
        oldest = event_time // DAY - DAYS - 1
        for day in [day for day in self._days if day < oldest]:
            self._forget(day)
        while self._kept > MOST_KEPT and len(self._days) > 1:
            self._forget(min(self._days))

    def of(self, user_id: str, at: int) -> Sums:
        """What a user did before a moment (ms); nothing if the moment is long ago, since then it is not known."""
        if at < self._summed_to:
            return NOTHING
        total = NOTHING
        for day in range(at // DAY - DAYS, at // DAY + 1):
            if (of_day := self._days.get(day)) is not None and (found := of_day.get(user_id)) is not None:
                total = total.plus(found)
        for session in self._of_user.get(user_id, ()):
            if session.watermark <= at:
                total = total.plus(self.counting.sums(session))
        return total

    def is_whole(self, at: int, event_time: int) -> bool:
        """Whether all sessions that closed after a moment are there one by one, at this event time; both in ms."""
        return at >= event_time - self._recent_for

    def since(self, user_id: str, at: int) -> list[Session]:
        """The recent sessions of a user that closed after a moment (ms)."""
        return [session for session in self._of_user.get(user_id, ()) if session.watermark > at]

    def popularity(self, at: int) -> dict[str, float]:
        """The share of the actions before a moment (ms) that each of the most popular items has; empty if unknown."""
        counts: Counter[str] = Counter()
        for day in sorted(self._items):
            if at // DAY - DAYS <= day <= at // DAY:
                counts.update(self._items[day])
        for session in self._recent:
            if session.watermark <= at:
                counts.update(event.item_id for event in self.counting.actions(session))
        total = sum(counts.values())
        if total < FEWEST_ACTIONS:
            return {}
        first = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_ITEMS]
        return {item: count / total for item, count in first}

    def usual(self, at: int, window: int) -> Sums | None:
        """More than this hardly any user did in the days before a moment (ms): the quantile ``USUAL`` of each sum.

        None if less is known than users do in a window (ms), or of too few users: most would be outliers.
        """
        if self._begins_at is None or at - self._begins_at < min(window, DAYS * DAY):
            return None
        users = {user for day in self._days.values() for user in day}
        users.update(session.user_id for session in self._recent)
        if len(users) < FEWEST_USERS:
            return None
        place = int(USUAL * (len(users) - 1))
        columns = zip(*(self.of(user, at) for user in users), strict=True)
        return Sums(*(sorted(column)[place] for column in columns))

    def _sum_up(self, session: Session) -> None:
        user, day = session.user_id, session.watermark // DAY
        there = self._of_user[user]
        there.remove(session)
        if not there:
            del self._of_user[user]
        self._summed_to = max(self._summed_to, session.watermark)
        of_day = self._days.setdefault(day, {})
        self._kept += user not in of_day
        of_day[user] = of_day.get(user, NOTHING).plus(self.counting.sums(session))
        items = self._items.setdefault(day, Counter())
        items.update(event.item_id for event in self.counting.actions(session))
        if len(items) > 10 * MOST_ITEMS:
            first = sorted(items.items(), key=lambda one: (-one[1], one[0]))[: 5 * MOST_ITEMS]
            self._items[day] = Counter(dict(first))

    def _forget(self, day: int) -> None:
        self._kept -= len(self._days.pop(day))
        self._items.pop(day, None)
