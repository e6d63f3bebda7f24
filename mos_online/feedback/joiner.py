"""Joins the decisions, impressions and accepted clicks of one partition in event time. Reads no clock."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, deque
from heapq import heappop, heappush
from typing import NamedTuple

from msgspec.structs import replace

from mos_online.contracts import AcceptedClicks, Decision, Impression, Outcome
from mos_online.feedback.open_decision import Credit, OpenDecision, shared
from mos_online.feedback.rules import JoinRules

NEWEST = 100
"""So many decisions of a user are looked at for a click that names none."""

_Key = tuple[str, str]
"""User and request: the ids of requests are the users' own, so that nobody can disturb others."""


class _Click(NamedTuple):
    """An accepted click that waits until the decisions of its time are known; in the order of their resolution."""

    timestamp: int
    position: int
    weight: float
    user_id: str
    item_id: str
    request_id: str | None
    offset: int


class Needed(NamedTuple):
    """The first offset of each input that a restart must read; None if it needs none."""

    decisions: int | None
    impressions: int | None
    clicks: int | None


class Joiner:
    """Credits clicks to decisions, and gives the outcome of a decision when its window has closed.

    A click counts for the decision that it names, if that is open and has the item. If it is open and has not, or if
    the click names none, it counts for the newest decision of the user that shows the item then. Else it counts for
    none. What is shown, impressions say; without any, the answer to a request is shown as a whole.

    The outcomes are a function of the records that are taken before the watermark passes them: neither their order
    nor the sizes of the steps of ``advance`` matter, but for the first of several decisions with one id.

    Attributes:
        rules: may be replaced between two calls.
        watermark: event time (ms) up to which everything is resolved; an older record is late.
        counts: by name: ``late_decisions``, ``late_impressions``, ``late_clicks``, ``duplicate_decisions``,
            ``duplicate_impressions``, ``duplicate_clicks``, ``orphan_impressions`` and ``orphan_clicks`` (they name a
            decision that is not open), ``clicks_by_request``, ``clicks_by_item``, ``unattributed_clicks``.
        log_id, counted_to: clicks of this log before this position have been taken.
    """

    def __init__(self, rules: JoinRules, *, watermark: int = -1, log_id: str = "", counted_to: int = 0) -> None:
        self.rules = rules
        self.watermark = watermark
        self.counts: Counter[str] = Counter()
        self.log_id = log_id
        self.counted_to = counted_to
        self._decisions: dict[_Key, OpenDecision] = {}
        self._of_user: dict[str, list[tuple[int, str]]] = {}
        self._closing: list[tuple[int, str, str]] = []
        self._impressions: dict[_Key, list[tuple[Impression, int]]] = {}
        self._shown: list[tuple[int, str, str, str]] = []
        self._clicks: list[_Click] = []
        self._closed: deque[tuple[int, int]] = deque()

    @property
    def open(self) -> int:
        """Decisions whose window has not closed."""
        return len(self._decisions)

    def take_decision(self, decision: Decision, offset: int) -> None:
        """Take a decision; of two with one id the first counts."""
        key = (decision.user_id, decision.request_id)
        if decision.timestamp < self.watermark:
            self.counts["late_decisions"] += 1
        elif key in self._decisions:
            self.counts["duplicate_decisions"] += 1
        else:
            self._decisions[key] = OpenDecision(decision, offset, self._impressions.setdefault(key, []))
            insort(self._of_user.setdefault(decision.user_id, []), (decision.timestamp, decision.request_id))
            heappush(self._closing, (decision.timestamp, *key))

    def take_impression(self, impression: Impression, offset: int) -> None:
        """Take an impression; it may come before its decision."""
        if impression.timestamp < self.watermark:
            self.counts["late_impressions"] += 1
            return
        key = (impression.user_id, impression.request_id)
        there = self._impressions.setdefault(key, [])
        if any(one.event_id == impression.event_id for one, _ in there):
            self.counts["duplicate_impressions"] += 1
            return
        items = list(map(shared, impression.item_ids))
        there.append((replace(impression, item_ids=items), offset))
        heappush(self._shown, (impression.timestamp, impression.event_id, *key))

    def take_clicks(self, message: AcceptedClicks, offset: int) -> None:
        """Take accepted clicks; those that the sessionizer has published before count once."""
        if message.log_id != self.log_id:
            self.log_id, self.counted_to = message.log_id, 0
        for position, timestamp, weight, user, item, _, request in message.clicks():
            if position < self.counted_to:
                self.counts["duplicate_clicks"] += 1
            elif timestamp < self.watermark:
                self.counts["late_clicks"] += 1
            else:
                heappush(self._clicks, _Click(timestamp, position, weight, user, item, request, offset))
        self.counted_to = max(self.counted_to, message.position + message.places[-1] + 1)

    def due(self, watermark: int) -> bool:
        """Whether anything is resolved if event time goes on to ``watermark`` (ms)."""
        lateness = self.rules.lateness
        first = [some[0][0] + lateness for some in (self._clicks, self._shown) if some]
        if self._closing:
            first.append(self._closing[0][0] + self.rules.window + lateness)
        return bool(first) and min(first) < watermark

    def advance(self, watermark: int) -> list[Outcome]:
        """Let event time go on to ``watermark`` (ms). Returns the outcomes of what has closed, in order of time."""
        self.watermark = max(self.watermark, watermark)
        known = self.watermark - self.rules.lateness  # all records of earlier times have been taken, with their rivals
        while self._clicks and self._clicks[0].timestamp < known:
            self._credit(heappop(self._clicks))
        while self._shown and self._shown[0][0] < known:
            self._settle(*heappop(self._shown))
        outcomes = []
        while self._closing and self._closing[0][0] + self.rules.window < known:
            _, user, request = heappop(self._closing)
            outcomes.append(self._close(user, request))
        forget = self.watermark - 2 * self.rules.window - 3 * self.rules.lateness
        while self._closed and self._closed[0][0] < forget:
            self._closed.popleft()
        return outcomes

    def needed(self) -> Needed:
        """Where a restart must begin to read each input.

        It also needs decisions that have closed since a window before the oldest open one began: a click may name one.
        """
        decisions = [offset for _, offset in self._closed]
        impressions = [offset for some in self._impressions.values() for _, offset in some]
        clicks = [click.offset for click in self._clicks]
        for one in self._decisions.values():
            decisions.append(one.offset)
            clicks += [click.offset for click in one.clicks]
        return Needed(*(min(some, default=None) for some in (decisions, impressions, clicks)))

    def _credit(self, click: _Click) -> None:
        by_request = click.request_id is not None
        found = self._named(click) if by_request else None
        if by_request and found is None:
            self.counts["orphan_clicks"] += 1
            return
        if found is None or not found.has(click.item_id):
            found, by_request = self._newest(click), False
        if found is None:
            self.counts["unattributed_clicks"] += 1
            return
        found.clicks.append(Credit(click.timestamp, click.item_id, click.weight, by_request, click.offset))
        self.counts["clicks_by_request" if by_request else "clicks_by_item"] += 1

    def _named(self, click: _Click) -> OpenDecision | None:
        found = self._decisions.get((click.user_id, click.request_id or ""))
        return found if found is not None and found.open_at(click.timestamp, self.rules) else None

    def _newest(self, click: _Click) -> OpenDecision | None:
        there = self._of_user.get(click.user_id, [])
        begun = bisect_right(there, click.timestamp, key=lambda one: one[0])
        for _, request in reversed(there[max(0, begun - NEWEST) : begun]):
            found = self._decisions[click.user_id, request]
            if found.shows(click.item_id, click.timestamp, self.rules):
                return found
        return None

    def _settle(self, timestamp: int, event: str, user: str, request: str) -> None:
        """An impression stays for the outcome of its decision; without an open one it goes."""
        found = self._decisions.get((user, request))
        if found is not None and found.open_at(timestamp, self.rules):
            return
        self.counts["orphan_impressions"] += 1
        there = self._impressions[user, request]
        there[:] = [pair for pair in there if pair[0].event_id != event]
        if not there and found is None:
            del self._impressions[user, request]

    def _close(self, user: str, request: str) -> Outcome:
        found = self._decisions.pop((user, request))
        there = self._of_user[user]
        there.remove((found.timestamp, request))
        if not there:
            del self._of_user[user]
        pending = [pair for pair in found.impressions if not found.open_at(pair[0].timestamp, self.rules)]
        if pending:  # they came after the window, and will be orphans
            self._impressions[user, request] = pending
        else:
            del self._impressions[user, request]
        self._closed.append((found.timestamp, found.offset))
        return found.outcome(self.rules)
