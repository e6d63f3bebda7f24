"""The loop with the real recommender, on a virtual clock: without Kafka and HTTP, and much faster than time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.contracts import Click, Decision, Fallback
from mos_online.errors import SettingsError
from mos_online.recommend.query import Query, Ranking
from simulator.loop.crowd import Answered, Asked, Crowd
from simulator.loop.measured import Measured
from simulator.loop.served import Served
from simulator.loop.stream import VirtualStream
from simulator.loop.visit import Site

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
        crowd: Crowd,
        site: Site,
        stream: VirtualStream,
        served: Sequence[Served],
        *,
        shown: int = -1,
        refresh: int = 1000,
    ) -> None:
        """Let a crowd meet ways of serving.

        Args:
            crowd: the users, all in one arm.
            site: where they are.
            stream: what takes the events.
            served: at least one.
            shown: the place among them of the one whose lists users see; the last one by default.
            refresh: after so many requests the recommenders get the newest counts.

        Raises:
            SettingsError: nothing serves, or a model knows items that are not of these users.
        """
        if not served:
            raise SettingsError("a simulation needs at least one way of serving")
        for one in served:
            if strange := one.recommender.catalogue - site.rows.keys():
                raise SettingsError(
                    f"{len(strange):,} of the {len(one.recommender.catalogue):,} items of model "
                    f"{one.recommender.model_version} are not of these users: train it on the same population, with "
                    "`mos train --dataset synthetic` and the same settings of it"
                )
        self._crowd, self._site, self.stream, self._served = crowd, site, stream, served
        self._shown, self._refresh = range(len(served))[shown], refresh
        self._closed: list[tuple[int, int, list[int]]] = []
        self._answered: list[tuple[Ints, Ints, Ints, Floats]] = []

    def begin_with(self, clicks: Iterable[Click]) -> None:
        """Let what users clicked before the start into the profiles and the counts, but not into what learns."""
        for click in clicks:
            self.stream.send(click)
        sessions, _ = self.stream.pass_time(self._site.begin, learn=False)
        for one in self._served:
            one.close(sessions)

    def run(self, duration: int, on_progress: Callable[[Progress], None] = lambda _: None) -> Measured:
        """Let ``duration`` ms of event time pass. Use it once.

        Raises:
            SettingsError: nobody asks in so short a time.
        """
        crowd = self._crowd
        due = [(time, row) for row, time in enumerate(crowd.next.tolist())]
        heapq.heapify(due)
        count = 0
        while due[0][0] < duration:
            if count % self._refresh < BATCH:
                self._observe()
            self._pass_time(due[0][0])
            rows: list[int] = []
            while due and due[0][0] < duration and len(rows) < BATCH:
                rows.append(heapq.heappop(due)[1])
            self._answer(crowd.ask(np.array(rows)))
            for row in rows:
                heapq.heappush(due, (int(crowd.next[row]), row))
            count += len(rows)
            on_progress(Progress(requests=count, time=due[0][0], duration=duration))
        if not count:
            raise SettingsError(f"nobody asks within {duration / 1000:g} s: simulate more users, or longer")
        self._pass_time(duration)
        return self._measured()

    def _observe(self) -> None:
        popularity, together = self.stream.popularity(), self.stream.co_clicks()
        for one in self._served:
            one.observe(popularity, together)

    def _pass_time(self, time: int) -> None:
        passed = self.stream.pass_time(self._site.begin + time)
        if passed.sessions:
            themes = [one.close(passed.sessions) for one in self._served]
            for session, *found in zip(passed.sessions, *themes, strict=True):
                rings = [self._site.rings.pop(event.event_id, None) for event in session.events]
                if rings[0] is not None:  # not of the log before the start
                    self._closed.append((session.watermark - self._site.begin, rings[0], found))
        for one in self._served:
            one.learn(passed.batches)

    def _answer(self, asked: Asked) -> None:
        queries = self._site.queries(asked)
        rankings = [one.rank(queries) for one in self._served]
        lists = [self._numbers(ranked, len(queries)) for ranked in rankings]
        ndcg = [self._crowd.choice.ndcg(self._crowd.kinds(asked, numbers)) for numbers in lists]
        answered = self._crowd.answer(asked, lists[self._shown])
        for row, (query, ranking) in enumerate(zip(queries, rankings[self._shown], strict=True)):
            self._send(query, ranking, asked, answered, row)
        self._answered.append((asked.times, asked.users, answered.clicks.sum(axis=1), np.column_stack(ndcg)))

    def _numbers(self, rankings: Sequence[Ranking], count: int) -> Ints:
        """The items of lists as numbers of the crowd."""
        rows = self._site.rows
        return np.array([[rows[item.item_id] for item in ranking.items] for ranking in rankings]).reshape(count, -1)

    def _send(self, query: Query, ranking: Ranking, asked: Asked, answered: Answered, row: int) -> None:
        request_id = f"{query.user_id}-{asked.numbers[row]}"
        recommender = self._served[self._shown].recommender
        reason = ranking.fallback
        self.stream.send(
            Decision(
                request_id=request_id,
                user_id=query.user_id,
                timestamp=query.timestamp,
                trigger="request",
                items=ranking.items,
                candidates=ranking.candidates,
                score_level=ranking.score_level,
                model_version=recommender.model_version,
                router_version=recommender.router_version,
                fallback=None if reason is None else Fallback(source="popularity", reason=reason),
            )
        )
        items = [item.item_id for item in ranking.items]
        for report in self._site.reports(query, request_id, items, asked, answered, row):
            self.stream.send(report)

    def _measured(self) -> Measured:
        columns = [np.concatenate(parts) for parts in zip(*self._answered, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        time, user, clicks, ndcg = (column[order] for column in columns)
        closed, ring, themes = zip(*self._closed, strict=True) if self._closed else ((), (), ())
        return Measured(
            names=[one.name for one in self._served],
            shown=self._shown,
            time=time,
            user=user,
            clicks=clicks,
            ndcg=ndcg,
            closed=np.array(closed, np.int64),
            ring=np.array(ring, np.int64),
            themes=np.array(themes, np.int64).reshape(-1, len(self._served)),
        )
