"""The two baselines that a recommender of the next click has to beat, both learning from every click."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping, Sequence

from mos_online.contracts import SESSION_END, Click
from mos_online.items.decay import DecayClock

TRACKED = 200
"""How many of the most popular items are kept in view, and so the most that can be asked for."""

SLACK = 50
"""So many more items may be in view before the lightest of them leave it: one sort for many clicks."""

REMEMBERED = 100_000
"""Bounds the memory: when twice so many items have a count, the heaviest of this number stay."""

ENDED = -(1 << 62)
"""The last click of a session that was ended: longer ago than any gap."""


class RecentPopularity:
    """The most clicked items of the recent past: clicks decay with a half-life of event time.

    Weights only grow, so an item out of view comes into view at the click that makes it heavy enough: the leaders are
    exact. At most 2 * ``REMEMBERED`` items are remembered; the lightest are forgotten first.

    >>> p = RecentPopularity(half_life_ms=1000)
    >>> for t, item in ((0, "x"), (1000, "y"), (1000, "x")):
    ...     p.observe(Click(event_id=f"{t}{item}", user_id="u", item_id=item, timestamp=t))
    >>> p.top(1), p.top(1, exclude=["x"])
    (['x'], ['y'])
    """

    def __init__(self, *, half_life_ms: float) -> None:
        self._clock = DecayClock(half_life_ms, self._rescale)
        self._newest = 0
        self._weights: dict[str, float] = {}
        self._total = 0.0
        self._leaders: set[str] = set()
        self._least = 0.0

    def observe(self, click: Click) -> None:
        """Learn a click."""
        if click.event_type == SESSION_END:
            return
        item = click.item_id
        self._newest = max(self._newest, click.timestamp)
        more = self._clock.weight(click.timestamp)  # first: it may rescale what is there
        self._weights[item] = weight = self._weights.get(item, 0.0) + more
        self._total += more
        if item not in self._leaders and (len(self._leaders) < TRACKED or weight >= self._least):
            self._leaders.add(item)
            if len(self._leaders) == TRACKED + SLACK:
                best = sorted(self._leaders, key=self._order)[:TRACKED]
                self._leaders, self._least = set(best), self._weights[best[-1]]
        if len(self._weights) > 2 * REMEMBERED:
            self._weights = {
                kept: self._weights[kept] for kept in heapq.nsmallest(REMEMBERED, self._weights, self._order)
            }

    def top(self, k: int, exclude: Collection[str] = ()) -> list[str]:
        """The ``k`` most popular items now, of the ``TRACKED`` that are kept in view; ties by id."""
        wanted = self._leaders.difference(exclude)
        heaviest = heapq.nlargest(k, map(self._weights.__getitem__, wanted))
        tied = [item for item in wanted if self._weights[item] >= heaviest[-1]] if heaviest else []
        return sorted(tied, key=self._order)[:k]

    def score(self, user_id: str, item_ids: Sequence[str]) -> list[float]:
        """Clicks of each item, decayed to the newest click; the same for every user, 0.0 for an item never clicked."""
        unit = self._clock.weight(self._newest) if self._weights else 1.0
        return [self._weights.get(item, 0.0) / unit for item in item_ids]

    def share(self, item: str) -> float:
        """The item's share of the decayed clicks."""
        return self._weights.get(item, 0.0) / self._total if self._total else 0.0

    def _order(self, item: str) -> tuple[float, str]:
        return -self._weights[item], item

    def _rescale(self, factor: float) -> None:
        self._weights = {item: weight * factor for item, weight in self._weights.items()}
        self._least *= factor
        self._total *= factor


class LastItemKnn:
    """Items that were clicked in the same sessions as the last item of the user's open session.

    Session-based item-kNN (Hidasi et al. 2016; Ludewig & Jannach 2018), kept up to date click by click: every pair of
    items of one open session adds a click's weight, which decays with a half-life of event time. Where the neighbours
    end, recent popularity goes on. At the start of a session the item is the last one of the session before, if
    ``resumes``; else a user without an open session gets popularity only.

    Plain co-clicks were measured by hit-rate@10 on a news log (Globo, day 6, 3,000 requests): they reach 0.567, divided
    by the root of the neighbour's own popularity (cosine) 0.528. Whether people resume depends on the log. At the start
    of a session the last item of the one before gives 0.32 on that log, popularity 0.66; on check-ins (Gowalla) it
    helps, 0.136 against 0.120 over all requests. ``choose_knn`` finds out.

    Args:
        gap_ms: a session ends after this silence.
        half_life_ms: of a co-click.
        fill: ranks what follows the neighbours; the caller feeds it.
        resumes: whether the session before counts until a new one begins. Of so many users as ``REMEMBERED``, those
            who clicked last, that session is kept.
        window: at most so many earlier items of the session are paired with a new one.
        neighbours: of an item, at most twice so many are kept, of items at most 2 * ``REMEMBERED``; the weakest go.
    """

    def __init__(
        self,
        *,
        gap_ms: int,
        half_life_ms: float,
        fill: RecentPopularity,
        resumes: bool = False,
        window: int = 10,
        neighbours: int = 100,
    ) -> None:
        self._gap = gap_ms
        self._resumes = resumes
        self._clock = DecayClock(half_life_ms, self._rescale)
        self._window = window
        self._neighbours = neighbours
        self._fill = fill
        self._now = 0
        self._newest = 0
        self._together: dict[str, dict[str, float]] = {}
        self._newest_session: OrderedDict[str, tuple[int, deque[str]]] = OrderedDict()

    def observe(self, click: Click) -> None:
        """Learn a click."""
        self._now = max(self._now, click.timestamp)
        self._forget_sessions()
        if click.event_type == SESSION_END:
            self._end(click.user_id)
            return
        self._newest = max(self._newest, click.timestamp)
        weight = self._clock.weight(click.timestamp)
        item, user = click.item_id, click.user_id
        seen_at, session = self._newest_session.pop(user, (click.timestamp, deque[str](maxlen=self._window)))
        if click.timestamp - seen_at > self._gap:
            session.clear()
        for other in dict.fromkeys(session):
            if other != item:
                self._add(item, other, weight)
                self._add(other, item, weight)
        session.append(item)
        self._newest_session[user] = (max(seen_at, click.timestamp), session)
        if len(self._together) > 2 * REMEMBERED:
            self._together = {
                kept: self._together[kept] for kept in heapq.nlargest(REMEMBERED, self._together, self._reach)
            }

    def top(self, user_id: str, k: int, exclude: Collection[str] = ()) -> list[str]:
        """The ``k`` best items to follow the user's last one, ties by id."""
        return self.after(self.last_item(user_id), k, exclude)

    def after(self, item: str | None, k: int, exclude: Collection[str] = ()) -> list[str]:
        """The ``k`` best items to follow an item, ties by id; popular ones if there is no item."""
        near = self._together.get(item, {}) if item is not None else {}
        unwanted = frozenset(exclude)
        scored = ((-weight, item) for item, weight in near.items() if item not in unwanted)
        best = [item for _, item in heapq.nsmallest(k, scored)]
        return best + self._fill.top(k - len(best), unwanted.union(best))

    def score(self, user_id: str, item_ids: Sequence[str]) -> list[float]:
        """Co-clicks of each item with the last one that counts for the user, decayed to the newest click.

        0.0 for an item that is no neighbour, and for a user without a session that counts.
        """
        near = self.neighbours(user_id)
        unit = self._clock.weight(self._newest) if near else 1.0
        return [near.get(item, 0.0) / unit for item in item_ids]

    def neighbours(self, user_id: str) -> Mapping[str, float]:
        """Co-click weights of the last item of the user's open session, or of the one before if ``resumes``."""
        item = self.last_item(user_id)
        return self._together.get(item, {}) if item is not None else {}

    def last_item(self, user_id: str) -> str | None:
        """The last item of the user's open session, or of the one before if ``resumes``; None if nothing counts."""
        seen_at, session = self._newest_session.get(user_id, (0, None))
        if not session or not (self._resumes or self._now - seen_at <= self._gap):
            return None
        return session[-1]

    def _forget_sessions(self) -> None:
        """Drop the sessions that can no longer count."""
        sessions = self._newest_session
        while sessions and not self._resumes and self._now - next(iter(sessions.values()))[0] > self._gap:
            sessions.popitem(last=False)
        while self._resumes and len(sessions) > REMEMBERED:
            sessions.popitem(last=False)

    def _end(self, user: str) -> None:
        """The user's session is over; it can be resumed, but not go on."""
        found = self._newest_session.get(user)
        if found and self._resumes:
            self._newest_session[user] = (ENDED, found[1])
        else:
            self._newest_session.pop(user, None)

    def _add(self, item: str, other: str, weight: float) -> None:
        near = self._together.setdefault(item, {})
        near[other] = near.get(other, 0.0) + weight
        if len(near) > 2 * self._neighbours:
            strongest = heapq.nsmallest(self._neighbours, near.items(), key=lambda pair: (-pair[1], pair[0]))
            self._together[item] = dict(strongest)

    def _reach(self, item: str) -> tuple[float, str]:
        return max(self._together[item].values()), item

    def _rescale(self, factor: float) -> None:
        self._together = {i: {o: w * factor for o, w in near.items()} for i, near in self._together.items()}
