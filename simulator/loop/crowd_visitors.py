"""A crowd at a site: its numbers become requests, impressions and clicks in the words of the contracts."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.contracts import Click, Context, Impression, Session
from mos_online.errors import SettingsError
from mos_online.recommend.query import Query
from simulator.loop.crowd import Asked, Crowd
from simulator.loop.open_events import OpenEvents
from simulator.loop.visitors import Answers, Judged, Lists
from simulator.loop.world import World
from simulator.population import Population

GLANCE, BETWEEN, FIND = 100, 4, 900
"""Milliseconds after a request: the list is seen, each further item can be clicked, something is found without it.

All of it is before the user's next request, a second later at the earliest.
"""


class CrowdVisitors:
    """The users of a population, who know what they want.

    Attributes:
        begin: event time of the start, ms since epoch.
    """

    def __init__(
        self,
        population: Population,
        world: World,
        crowd: Crowd,
        *,
        begin: int,
        gap: int,
        length: int,
        categories: bool = False,
    ) -> None:
        """Let a crowd ask.

        Args:
            population, world: users and items.
            crowd: the users, each in one row.
            begin: event time of the start, ms since epoch.
            gap: of sessions, ms: the open session ends after it.
            length: of the lists.
            categories: whether clicks name the category of their item: the ring in which it was at first.
        """
        self.begin = begin
        self._crowd, self._names, self._length = crowd, world.names, length
        self._rows = {name: number for number, name in enumerate(world.names)}
        self._users = population.user_ids
        self._contexts: list[Context | None] = [
            {"category": category} if categories else None for category in world.categories
        ]
        self._open = OpenEvents(gap)
        self._rings: dict[str, int] = {}
        self._due = [(time, row) for row, time in enumerate(crowd.next.tolist())]
        heapq.heapify(self._due)
        self._asked: Asked = crowd.ask(np.zeros(0, np.int64))
        self._queries: list[Query] = []

    @property
    def due(self) -> int | None:
        """When the next one asks, ms since epoch."""
        return self.begin + self._due[0][0] if self._due else None

    def require(self, catalogue: frozenset[str]) -> None:
        """Check that these are items of the users' world."""
        if strange := catalogue - self._rows.keys():
            raise SettingsError(
                f"{len(strange):,} of the {len(catalogue):,} items of the model are not of these users: train it on "
                "their log, with `mos train --dataset synthetic` and the settings of the population"
            )

    def ask(self, most: int, until: int) -> list[Query]:
        """The next requests; see ``Visitors``."""
        rows: list[int] = []
        while self._due and self.begin + self._due[0][0] < until and len(rows) < most:
            rows.append(heapq.heappop(self._due)[1])
        asked = self._asked = self._crowd.ask(np.array(rows, np.int64))
        self._queries = [
            Query(
                user_id=(user := self._users[number]),
                profile=None,
                events=self._open.of(user, self.begin + time),
                timestamp=self.begin + time,
                k=self._length,
                exclude=[],
                teaches=True,
            )
            for number, time in zip(asked.users.tolist(), asked.times.tolist(), strict=True)
        ]
        return self._queries

    def judge(self, lists: Lists) -> Judged:
        """NDCG of lists with the true relevance as gain, and the sum of the true probabilities of clicks."""
        crowd, asked = self._crowd, self._asked
        kinds = crowd.kinds(asked, self._numbers(lists))
        return Judged(crowd.choice.ndcg(kinds), crowd.choice.expected(kinds, crowd.strength(asked)))

    def answer(self, request_ids: Sequence[str], lists: Lists, effects: Floats | None = None) -> Answers:
        """Show lists; see ``Visitors``."""
        asked = self._asked
        answered = self._crowd.answer(asked, self._numbers(lists), effects)
        reports: list[list[Impression | Click]] = []
        for row, (query, request_id, items) in enumerate(zip(self._queries, request_ids, lists, strict=True)):
            moment = query.timestamp
            clicks = [
                self._click(query.user_id, self._rows[items[place]], moment + GLANCE + BETWEEN * place, request_id)
                for place in answered.clicks[row].nonzero()[0].tolist()
            ]
            if (found := int(answered.found[row])) >= 0:
                clicks.append(self._click(query.user_id, found, moment + FIND, None))
            self._open.add(query.user_id, clicks)
            self._rings.update((click.event_id, int(asked.ring[row])) for click in clicks)
            reports.append([seen(query, request_id, items, moment + GLANCE), *clicks])
        for row in asked.rows.tolist():
            heapq.heappush(self._due, (int(self._crowd.next[row]), row))
        return Answers(reports, answered.clicks.sum(axis=1))

    def theme_of(self, session: Session) -> int | None:
        """The ring on which the user was."""
        rings = [self._rings.pop(event.event_id, None) for event in session.events]
        return rings[0]

    def _numbers(self, lists: Lists) -> Ints:
        """The items of lists as numbers of the crowd, int64 (n, k)."""
        rows, length = self._rows, self._length
        for items in lists:
            if len(items) != length or any(item not in rows for item in items):
                strange = next((item for item in items if item not in rows), None)
                why = f"{len(items)} items instead of {length}" if strange is None else f"the item {strange!r}"
                raise SettingsError(
                    f"a user was shown {why}: the model must be trained on the log of these users, with `mos train "
                    "--dataset synthetic` and the settings of the population"
                )
        return np.array([[rows[item] for item in items] for items in lists], np.int64).reshape(-1, length)

    def _click(self, user: str, item: int, moment: int, request_id: str | None) -> Click:
        return Click(
            event_id=f"{user}-{moment}",
            user_id=user,
            item_id=self._names[item],
            timestamp=moment,
            request_id=request_id,
            context=self._contexts[item],
        )


def seen(query: Query, request_id: str, items: Sequence[str], moment: int) -> Impression:
    """What a site sends when a whole list came into view at ``moment`` (ms)."""
    return Impression(
        event_id=f"{request_id}-s", user_id=query.user_id, request_id=request_id, item_ids=list(items), timestamp=moment
    )
