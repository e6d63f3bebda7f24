"""The loop with the real recommender, on a virtual clock: without Kafka and HTTP, and much faster than time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.contracts import Assignment, Click, Decision, Fallback
from mos_online.errors import SettingsError
from mos_online.recommend.query import Query, Ranking
from simulator.loop.divided import Divided
from simulator.loop.measured import Measured
from simulator.loop.served import Served
from simulator.loop.stream import VirtualStream
from simulator.loop.visitors import Visitors

BATCH = 32
"""Requests that are ranked together."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a simulation has come: ``requests`` answered, ``time`` of ``duration`` (ms) passed."""

    requests: int
    time: int
    duration: int


class VirtualLoop:
    """Users ask, are answered, and what they do goes through the stream into the profiles and to what learns.

    Every way of serving answers every request, and knows the same users and clicks. The users see the lists of one of
    them. Requests are answered in batches, in the order of time: one of a batch may not yet know what others of it did.

    Attributes:
        stream: what takes the events.
    """

    def __init__(
        self,
        visitors: Visitors,
        stream: VirtualStream,
        served: Sequence[Served],
        *,
        shown: int = -1,
        refresh: int = 1000,
        divided: Divided | None = None,
    ) -> None:
        """Let visitors meet ways of serving.

        Args:
            visitors: who asks.
            stream: what takes the events.
            served: at least one.
            shown: the place among them of the one whose lists users see; the last one by default.
            refresh: after so many requests the recommenders get the newest counts.
            divided: instead of all users seeing the lists of one, each user has an arm.

        Raises:
            SettingsError: nothing serves, or a model's items are not those of these users.
        """
        if not served:
            raise SettingsError("a simulation needs at least one way of serving")
        for one in served:
            visitors.require(one.recommender.catalogue)
        self.stream = stream
        self._visitors, self._served = visitors, served
        self._shown, self._refresh, self._divided = range(len(served))[shown], refresh, divided
        self._users: dict[str, int] = {}
        self._closed: list[tuple[int, int, list[int]]] = []
        self._answered: list[tuple[Ints, Ints, Ints, Floats, Floats]] = []

    @property
    def begin(self) -> int:
        """The event time of the start, ms since epoch."""
        return self._visitors.begin

    def begin_with(self, clicks: Iterable[Click]) -> None:
        """Let what users clicked before the start into the profiles and the counts, but not into what learns."""
        for click in clicks:
            self.stream.send(click)
        sessions, _ = self.stream.pass_time(self._visitors.begin, learn=False)
        for one in self._served:
            one.close(sessions)

    def run(self, duration: int, on_progress: Callable[[Progress], None] = lambda _: None) -> Measured:
        """Let ``duration`` ms of event time pass, or less if nobody asks any more. Use it once.

        Raises:
            SettingsError: nobody asks in so short a time, or users are shown what is not of their world.
        """
        begin, count = self._visitors.begin, 0
        while (due := self._visitors.due) is not None and due < begin + duration:
            if count % self._refresh < BATCH:
                self._observe()
            self._pass_time(due)
            count += self._answer(self._visitors.ask(BATCH, begin + duration), count)
            on_progress(Progress(requests=count, time=due - begin, duration=duration))
        if not count:
            raise SettingsError(f"nobody asks within {duration / 1000:g} s: simulate more users, or longer")
        self._pass_time(begin + duration)
        return self._measured()

    def _observe(self) -> None:
        popularity, together = self.stream.popularity(), self.stream.co_clicks()
        for one in self._served:
            one.observe(popularity, together)

    def _pass_time(self, moment: int) -> None:
        passed = self.stream.pass_time(moment)
        if passed.sessions:
            themes = [one.close(passed.sessions) for one in self._served]
            for session, *found in zip(passed.sessions, *themes, strict=True):
                theme = self._visitors.theme_of(session)
                if theme is not None:
                    self._closed.append((session.watermark - self._visitors.begin, theme, found))
        for one in self._served:
            one.learn(passed.batches)
        if self._divided is not None:
            self._divided.learn(passed.batches)

    def _answer(self, queries: Sequence[Query], count: int) -> int:
        rankings = [one.rank(queries) for one in self._served]
        lists = [[[item.item_id for item in ranking.items] for ranking in ranked] for ranked in rankings]
        judged = [self._visitors.judge(one) for one in lists]
        names = [f"{query.user_id}-{count + row}" for row, query in enumerate(queries)]
        seen = [self._seen(query.user_id) for query in queries]
        answers = self._visitors.answer(names, [lists[way][row] for row, (way, _) in enumerate(seen)])
        for row, (query, name, reports) in enumerate(zip(queries, names, answers.reports, strict=True)):
            way, assignments = seen[row]
            self.stream.send(self._decision(query, name, way, rankings[way][row], assignments))
            for report in reports:
                self.stream.send(report)
        times = np.array([query.timestamp - self._visitors.begin for query in queries], np.int64)
        users = [self._users.setdefault(query.user_id, len(self._users)) for query in queries]
        ndcg, worth = (np.column_stack(columns) for columns in zip(*judged, strict=True))
        self._answered.append((times, np.array(users, np.int64), answers.clicks, ndcg, worth))
        return len(queries)

    def _seen(self, user_id: str) -> tuple[int, list[Assignment]]:
        """Whose lists a user sees, and the arms of the user."""
        return (self._shown, []) if self._divided is None else self._divided.of(user_id)

    def _decision(self, query: Query, name: str, way: int, ranking: Ranking, assignments: list[Assignment]) -> Decision:
        recommender, reason = self._served[way].recommender, ranking.fallback
        return Decision(
            request_id=name,
            user_id=query.user_id,
            timestamp=query.timestamp,
            trigger="request",
            items=ranking.items,
            candidates=ranking.candidates,
            score_level=ranking.score_level,
            model_version=recommender.model_version,
            router_version=recommender.router_version,
            fallback=None if reason is None else Fallback(source="popularity", reason=reason),
            assignments=assignments,
        )

    def _measured(self) -> Measured:
        columns = [np.concatenate(parts) for parts in zip(*self._answered, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        time, user, clicks, ndcg, worth = (column[order] for column in columns)
        closed, ring, themes = zip(*self._closed, strict=True) if self._closed else ((), (), ())
        return Measured(
            names=[one.name for one in self._served],
            shown=self._shown,
            time=time,
            user=user,
            clicks=clicks,
            ndcg=ndcg,
            worth=worth,
            closed=np.array(closed, np.int64),
            ring=np.array(ring, np.int64),
            themes=np.array(themes, np.int64).reshape(-1, len(self._served)),
        )
