"""What a site knows of its users while they are there, and what it sends of what they do."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.contracts import Click, Context, Impression, SessionEvent, without_user
from mos_online.recommend.query import Query
from simulator.loop.crowd import Answered, Asked
from simulator.loop.world import World
from simulator.population import Population

GLANCE, BETWEEN, FIND = 100, 50, 900
"""Milliseconds after a request: the list is seen, each further item can be clicked, something is found without it.

All of it is before the user's next request, a second later at the earliest.
"""


class Site:
    """Turns the numbers of a crowd into requests, impressions and clicks, in the words of the contracts.

    Attributes:
        rows: item_id -> number of the item.
        begin: event time of the start, ms since epoch.
        rings: event_id -> the ring on which the user of a click was.
    """

    def __init__(
        self, population: Population, world: World, *, begin: int, gap: int, length: int, categories: bool = False
    ) -> None:
        """Serve the users of a population.

        Args:
            population, world: users and items.
            begin: event time of the start, ms since epoch.
            gap: of sessions, ms: the open session ends after it.
            length: of the lists.
            categories: whether clicks name the category of their item: the ring in which it was at first.
        """
        self._names = world.names
        self.rows = {name: number for number, name in enumerate(world.names)}
        self.begin = begin
        self._users = population.user_ids
        self.rings: dict[str, int] = {}
        self._contexts: list[Context | None] = [
            {"category": category} if categories else None for category in world.categories
        ]
        self._gap, self._length = gap, length
        self._open: dict[str, list[SessionEvent]] = {}

    def queries(self, asked: Asked) -> list[Query]:
        """The requests, with the events of the sessions that are open at the site."""
        made = []
        for user, time in zip(asked.users.tolist(), asked.times.tolist(), strict=True):
            name, moment = self._users[user], self.begin + time
            events = self._open.get(name, [])
            if events and events[-1].timestamp + self._gap < moment:
                del self._open[name]
                events = []
            made.append(Query(user_id=name, profile=None, events=events, timestamp=moment, k=self._length, exclude=[]))
        return made

    def reports(
        self, query: Query, request_id: str, items: Sequence[str], asked: Asked, answered: Answered, row: int
    ) -> list[Impression | Click]:
        """What the site sends of one answer: that it was seen, and the clicks.

        Args:
            query: the request.
            request_id, items: of the answer.
            asked, answered: the requests of its batch, and what became of them.
            row: its number there.
        """
        user, moment = query.user_id, query.timestamp
        seen = Impression(
            event_id=f"{request_id}-s",
            user_id=user,
            request_id=request_id,
            item_ids=list(items),
            timestamp=moment + GLANCE,
        )
        clicks = [
            self._click(user, self.rows[items[place]], moment + GLANCE + BETWEEN * (place + 1), request_id)
            for place in answered.clicks[row].nonzero()[0].tolist()
        ]
        if (found := int(answered.found[row])) >= 0:
            clicks.append(self._click(user, found, moment + FIND, None))
        if clicks:
            ring = int(asked.ring[row])
            self.rings.update((click.event_id, ring) for click in clicks)
            self._open.setdefault(user, []).extend(map(without_user, clicks))
        return [seen, *clicks]

    def _click(self, user: str, item: int, moment: int, request_id: str | None) -> Click:
        return Click(
            event_id=f"{user}-{moment}",
            user_id=user,
            item_id=self._names[item],
            timestamp=moment,
            request_id=request_id,
            context=self._contexts[item],
        )
