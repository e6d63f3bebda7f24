"""The queue before the model: queries that arrive while a batch is being scored form the next batch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from mos_online.learning.fast_weights import ModelWeights
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from serving.metrics import Metrics
from serving.scoring.answer import Answer, OverloadedError, ScoringError
from serving.scoring.fair_share import RETRY_AFTER, FairShare
from serving.scoring.lanes import Lanes
from serving.scoring.limits import Limits
from serving.scoring.lineup import Lineup
from serving.scoring.profiles import Profiles
from serving.scoring.turns import Turns


@dataclass(slots=True, eq=False)
class _Call:
    """Queries asked together; touched by the scoring thread until none is ``left``, then by its event loop."""

    client: str
    queries: Sequence[Query]
    future: asyncio.Future[list[Answer]]
    deadline: float
    arrived: float
    left: set[int]
    answers: dict[int, Answer] = field(default_factory=dict)
    answered_by: dict[int, int] = field(default_factory=dict)
    error: OverloadedError | ScoringError | None = None


_Waiting = tuple[_Call, int]


class Scorer:
    """Answers queries from profiles and model, one batch at a time in a thread of its own.

    No timer holds a query back: a lone query is scored at once, and under load batches grow by themselves while
    the thread is busy. The event loop only queues and delivers, so health checks stay prompt during scoring.
    """

    def __init__(self, *, profiles: Profiles, limits: Limits, metrics: Metrics) -> None:
        self._lineup: Lineup | None = None
        self._profiles = profiles
        self._limits = limits
        self._metrics = metrics
        self._queue: Lanes[_Waiting] = Lanes()
        self._share = FairShare(room=limits.max_pending, call=limits.max_call)  # counted by the event loop alone
        self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)
        self._busy_since: float | None = None
        self._turns = Turns()

    @property
    def recommender(self) -> Recommender | None:
        """The model of users who are in no experiment; None until ``use`` was called, and then nothing may be asked."""
        return self._lineup.champion.recommender if self._lineup is not None else None

    @property
    def weights(self) -> ModelWeights | None:
        """Their fast weights."""
        return self._lineup.champion.weights if self._lineup is not None else None

    @property
    def experiments(self) -> int:
        """Number of the revision of the experiments that answers come from; 0 before the first."""
        return self._lineup.experiments if self._lineup is not None else 0

    def start(self) -> None:
        """Start the thread; call it from the event loop that will call ``answer``."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Answer what is queued, then end the thread."""
        self._queue.close()
        self._thread.join(timeout=5)

    def stuck(self, seconds: float) -> bool:
        """Say whether one batch has taken longer than ``seconds``, or the thread is gone."""
        since = self._busy_since
        return not self._thread.is_alive() or (since is not None and time.monotonic() - since > seconds)

    async def answer(self, queries: Sequence[Query], *, client: str) -> list[Answer]:
        """Return the answers, in the order of ``queries``; their profiles are read from the store.

        Args:
            queries: of one call.
            client: who asks; clients are scored in turn and share the queue.

        Raises:
            GreedyError: this client has too many waiting.
            OverloadedError: all together have too many waiting, or these waited too long.
            ScoringError: the model failed on one of them.
        """
        try:
            self._share.take(client, len(queries))
        except OverloadedError:
            self._metrics.refused.inc(len(queries))
            raise
        now = time.monotonic()
        call = _Call(
            client=client,
            queries=queries,
            future=self._loop.create_future(),
            deadline=now + self._limits.deadline,
            arrived=now,
            left=set(range(len(queries))),
        )
        for position in range(len(queries)):
            self._queue.put(client, (call, position))
        return await call.future

    def use(self, lineup: Lineup) -> None:
        """Answer with these from the next batch on. Safe from any thread."""
        self._lineup, recommender = lineup, lineup.champion.recommender
        self._metrics.in_service(recommender.model_version, recommender.router_version)

    def _run(self) -> None:
        while batch := self._queue.take(self._most()):
            self._busy_since = time.monotonic()
            try:
                self._score(batch)
            finally:
                self._busy_since = None

    def _most(self) -> int:
        """Queries to take at once: with several models or routers more, so that each of them gets a batch."""
        several = self._lineup is not None and self._lineup.treatments is not None
        return self._limits.max_batch * (2 if several else 1)

    def _deliver(self, calls: list[_Call]) -> None:
        for call in calls:
            self._share.give_back(call.client, len(call.queries))
            if call.future.done():  # the client has gone
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result([call.answers[position] for position in range(len(call.queries))])

    def _score(self, batch: list[_Waiting]) -> None:
        """Answer a batch; after a fault each of those that are left by itself, so that only the one at fault fails."""
        try:
            self._score_together(batch)
        except Exception as error:  # whatever is raised, the thread must live on
            left = [(call, position) for call, position in batch if position in call.left]
            if len(left) > 1:
                for one in left:
                    self._score([one])
                return
            for call, position in left:
                call.error = ScoringError(position)
                call.error.__cause__ = error
            self._finish(left)

    def _score_together(self, batch: list[_Waiting]) -> None:
        now = time.monotonic()
        wanted: list[_Waiting] = []
        dropped: list[_Waiting] = []
        for call, position in batch:
            if call.deadline < now and call.error is None:
                call.error = OverloadedError(
                    f"the request waited longer than {self._limits.deadline:g} s", retry_after=RETRY_AFTER
                )
            refused = call.error is not None or call.future.cancelled()
            (dropped if refused else wanted).append((call, position))
        self._finish(dropped)
        if not wanted:
            return
        queries = [call.queries[position] for call, position in wanted]
        profiles = self._profiles.read(list({query.user_id for query in queries}))
        if profiles is not None:
            queries = [msgspec.structs.replace(query, profile=profiles.get(query.user_id)) for query in queries]
        lineup = self._lineup
        assert lineup is not None  # noqa: S101 - the service asks only then
        for part in lineup.parts(queries, most=self._limits.max_batch):
            began = time.monotonic()
            asked, ours = [queries[place] for place in part.places], [wanted[place] for place in part.places]
            answers = lineup.answers(asked, part.treated, store_down=profiles is None)
            if lineup.treatments is not None:
                self._turns.add(part.of, began, time.monotonic())
                for call, position in ours:
                    call.answered_by[position] = part.of
            self._answer(ours, answers)
            self._metrics.score_seconds.observe(time.monotonic() - began)

    def _answer(self, wanted: list[_Waiting], answers: list[Answer]) -> None:
        self._metrics.batch_size.observe(len(wanted))
        for (call, position), answer in zip(wanted, answers, strict=True):  # the model answers each query
            if answer.fallback is not None:
                self._metrics.fell_back(answer.fallback.reason)
            self._metrics.assigned(answer.assignments)
            call.answers[position] = answer
        self._finish(wanted)

    def _finish(self, queries: list[_Waiting]) -> None:
        """These are answered, or never will be; the event loop gets the calls of which none is left."""
        for call, position in queries:
            call.left.discard(position)
        done = list(dict.fromkeys(call for call, _ in queries if not call.left))
        for call in done:
            for position, of in call.answered_by.items():
                others = self._turns.of_others(of, call.arrived)
                call.answers[position] = replace(call.answers[position], others=others)
        if done:
            self._loop.call_soon_threadsafe(self._deliver, done)
