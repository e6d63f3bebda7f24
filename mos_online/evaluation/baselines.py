"""The two baselines that a recommender of the next click has to beat, both learning from every click."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque

from mos_online.activity import DecayClock
from mos_online.contracts import SESSION_END, Click

TRACKED = 200
"""How many of the most popular items are kept in view, and so the most that can be asked for."""


class RecentPopularity:
    """The most clicked items of the recent past: clicks decay with a half-life of event time.

    Weights only grow, so the leaders are kept exactly, in constant time per click.

    >>> p = RecentPopularity(half_life_ms=1000)
    >>> for t, item in ((0, "x"), (1000, "y"), (1000, "x")):
    ...     p.observe(Click(event_id=f"{t}{item}", user_id="u", item_id=item, timestamp=t))
    >>> p.top(1)
    ['x']
    """

    def __init__(self, *, half_life_ms: float) -> None:
        self._clock = DecayClock(half_life_ms, self._rescale)
        self._weights: dict[str, float] = {}
        self._leaders: set[str] = set()
        self._least = 0.0

    def observe(self, click: Click) -> None:
        """Learn a click."""
        if click.event_type == SESSION_END:
            return
        item = click.item_id
        more = self._clock.weight(click.timestamp)  # first: it may rescale what is there
        self._weights[item] = weight = self._weights.get(item, 0.0) + more
        if item in self._leaders:
            return
        if len(self._leaders) < TRACKED or weight >= self._least:
            self._leaders.add(item)
            if len(self._leaders) > TRACKED:
                self._leaders.remove(max(self._leaders, key=self._order))
            self._least = min(self._weights[leader] for leader in self._leaders)

    def top(self, k: int) -> list[str]:
        """The ``k`` (at most ``TRACKED``) most popular items now, ties by id."""
        return heapq.nsmallest(k, self._leaders, key=self._order)

    def _order(self, item: str) -> tuple[float, str]:
        return -self._weights[item], item

    def _rescale(self, factor: float) -> None:
        self._weights = {item: weight * factor for item, weight in self._weights.items()}
        self._least *= factor


class LastItemKnn:
    """Items that were clicked in the same sessions as the user's last item, recent sessions counting more.

    Session-based item-kNN with cosine similarity (Hidasi et al. 2016; Ludewig & Jannach 2018), kept up to date click
    by click: a pair of items of one open session adds ``exp(t / decay)``, divided by the root of the neighbour's
    own weight. A neighbour whose co-clicks have faded below ``least`` clicks is forgotten: on news, yesterday's
    neighbours are worse than none. Lists shorter than k are filled with recent popularity.

    Args:
        gap_ms: a session ends after this silence.
        half_life_ms: of a co-click.
        window: at most so many earlier items of the session are paired with a new one.
        least: decayed co-clicks that a neighbour needs.
        neighbours: at most so many neighbours are kept per item; the weakest are dropped.
        fill: ranks what follows the neighbours; the caller feeds it.
    """

    def __init__(
        self,
        *,
        gap_ms: int,
        half_life_ms: float,
        fill: RecentPopularity,
        window: int = 10,
        neighbours: int = 200,
        least: float = 0.1,
    ) -> None:
        self._gap = gap_ms
        self._clock = DecayClock(half_life_ms, self._rescale)
        self._window = window
        self._neighbours = neighbours
        self._fill = fill
        self._least = least
        self._now = 0
        self._together: dict[str, dict[str, float]] = {}
        self._alone: dict[str, float] = {}
        self._open: OrderedDict[str, tuple[int, deque[str]]] = OrderedDict()
        self._last: dict[str, str] = {}

    def observe(self, click: Click) -> None:
        """Learn a click."""
        if click.event_type == SESSION_END:
            self._open.pop(click.user_id, None)
            return
        self._now = max(self._now, click.timestamp)
        weight = self._clock.weight(click.timestamp)
        item, user = click.item_id, click.user_id
        seen_at, session = self._open.pop(user, (click.timestamp, deque(maxlen=self._window)))
        if click.timestamp - seen_at > self._gap:
            session = deque(maxlen=self._window)
        for other in set(session) - {item}:
            self._add(item, other, weight)
            self._add(other, item, weight)
        session.append(item)
        self._alone[item] = self._alone.get(item, 0.0) + weight
        self._open[user] = (click.timestamp, session)
        self._last[user] = item
        while self._open and click.timestamp - next(iter(self._open.values()))[0] > self._gap:
            self._open.popitem(last=False)

    def top(self, user_id: str, k: int) -> list[str]:
        """The ``k`` best items for this user's last item; popularity for a user never seen."""
        last = self._last.get(user_id)
        near = self._together.get(last, {}) if last is not None else {}
        faded = self._least * self._clock.weight(self._now)
        scored = [(-w / math.sqrt(self._alone[item]), item) for item, w in near.items() if w >= faded]
        best = [item for _, item in heapq.nsmallest(k, scored)]
        taken = set(best)
        return best + [item for item in self._fill.top(2 * k) if item not in taken][: k - len(best)]

    def _add(self, item: str, other: str, weight: float) -> None:
        near = self._together.setdefault(item, {})
        near[other] = near.get(other, 0.0) + weight
        if len(near) > 2 * self._neighbours:
            self._together[item] = dict(heapq.nlargest(self._neighbours, near.items(), key=lambda pair: pair[1]))

    def _rescale(self, factor: float) -> None:
        self._together = {i: {o: w * factor for o, w in near.items()} for i, near in self._together.items()}
        self._alone = {item: max(weight * factor, 1e-300) for item, weight in self._alone.items()}
