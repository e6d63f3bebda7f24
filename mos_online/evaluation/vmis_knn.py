"""VMIS-kNN: nearest sessions by an index from items to the newest sessions that hold them."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence

from mos_online.contracts import SESSION_END, Click
from mos_online.evaluation.baselines import RecentPopularity

REMEMBERED = 200_000
"""Bounds the memory: when twice so many sessions are held, the newest of this number stay."""


class VmisKnn:
    """Items of the sessions most like the user's open one (Kersbergen, Sprangers & Schelter, "Serenade", SIGMOD 2022).

    Of the ``newest`` sessions of each item of the open session, the ``neighbours`` most similar count. A session's
    similarity is the sum of pos / length over the items it shares, so that newer items weigh more; an item's score the
    sum over neighbours of similarity, times 1 - 0.1 (steps back to the newest shared item), times log(sessions /
    sessions with the item). Ties go to the newer session and then to the smaller item id.

    Every click is learned at once, so a session that is still open is already a neighbour of others, as is needed where
    items live for hours; it is never its own. After the neighbours' items, recent popularity goes on.

    Args:
        gap_ms: a session ends after this silence.
        fill: ranks what follows the neighbours' items; the caller feeds it.
        newest: m, sessions kept of each item.
        neighbours: k.
        longest: items of the open session that are looked at, newest first.
    """

    def __init__(
        self, *, gap_ms: int, fill: RecentPopularity, newest: int = 500, neighbours: int = 100, longest: int = 9
    ) -> None:
        self._gap = gap_ms
        self._fill = fill
        self._newest, self._neighbours, self._longest = newest, neighbours, longest
        self._now = 0
        self._count = 0
        self._sessions: OrderedDict[int, dict[str, None]] = OrderedDict()
        self._having: dict[str, deque[int]] = {}
        self._held_by: dict[str, int] = {}
        self._open: OrderedDict[str, tuple[int, int, deque[str]]] = OrderedDict()

    def observe(self, click: Click) -> None:
        """Learn a click."""
        self._now = max(self._now, click.timestamp)
        while self._open and self._now - next(iter(self._open.values()))[0] > self._gap:
            self._open.popitem(last=False)
        if click.event_type == SESSION_END:
            self._open.pop(click.user_id, None)
            return
        user, item = click.user_id, click.item_id
        seen_at, number, items = self._open.pop(user, (click.timestamp, -1, deque[str]()))
        if number < 0 or click.timestamp - seen_at > self._gap or number not in self._sessions:
            number, items = self._count, deque(maxlen=self._longest)
            self._count += 1
            self._sessions[number] = {}
            self._forget()
        if item not in self._sessions[number]:
            self._sessions[number][item] = None
            self._having.setdefault(item, deque(maxlen=self._newest)).append(number)
            self._held_by[item] = self._held_by.get(item, 0) + 1
        items.append(item)
        self._open[user] = (max(seen_at, click.timestamp), number, items)

    def top(self, user_id: str, k: int, exclude: Collection[str] = ()) -> list[str]:
        """The ``k`` best items to follow the user's open session, ties by id."""
        unwanted = frozenset(exclude)
        scored = ((-score, item) for item, score in self.scores(user_id).items() if item not in unwanted)
        best = [item for _, item in heapq.nsmallest(k, scored)]
        return best + self._fill.top(k - len(best), unwanted.union(best))

    def scores(self, user_id: str) -> dict[str, float]:
        """Items of the neighbours -> their scores, above 0; empty for a user without an open session."""
        seen_at, number, items = self._open.get(user_id, (0, -1, deque[str]()))
        if not items or self._now - seen_at > self._gap:
            return {}
        near = self._near(number, list(items))
        scores: dict[str, float] = {}
        for session, (similarity, back) in near:
            weight = similarity * max(1 - 0.1 * back, 0.0)
            for item in self._sessions[session]:
                scores[item] = scores.get(item, 0.0) + weight * math.log(len(self._sessions) / self._held_by[item])
        return {item: score for item, score in scores.items() if score > 0}

    def _near(self, own: int, items: Sequence[str]) -> list[tuple[int, tuple[float, int]]]:
        """The nearest sessions, each with its similarity and the steps back to the newest item that it shares."""
        found: dict[int, tuple[float, int]] = {}
        seen: set[str] = set()
        for back, item in enumerate(reversed(items)):
            if item in seen:
                continue
            seen.add(item)
            for session in self._having.get(item, ()):
                if session != own and session in self._sessions:
                    similarity, newest = found.get(session, (0.0, back))
                    found[session] = similarity + (len(items) - back) / len(items), newest
        return heapq.nlargest(self._neighbours, found.items(), key=lambda pair: (pair[1][0], pair[0]))

    def _forget(self) -> None:
        if len(self._sessions) <= 2 * REMEMBERED:
            return
        while len(self._sessions) > REMEMBERED:
            _, items = self._sessions.popitem(last=False)
            for item in items:
                self._held_by[item] -= 1
                if not self._held_by[item]:
                    del self._held_by[item], self._having[item]
