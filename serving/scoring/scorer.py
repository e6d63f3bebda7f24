"""The queue before the model: requests that arrive while a batch is being scored form the next batch."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from mos_online.contracts import Fallback, FallbackReason, FallbackSource
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender
from mos_online.users.profile import UserProfile
from serving.http.api import Item, RecommendRequest, RecommendResponse, Theme, session_events
from serving.http.problem import Problem, internal, new_request_id, overloaded
from serving.metrics import Metrics
from serving.scoring.limits import Limits
from serving.scoring.profiles import Profiles

log = logging.getLogger(__name__)

RETRY_AFTER = 1
"""Seconds; a full queue empties in well under one."""


@dataclass(slots=True, eq=False)
class _Call:
    """The requests of one HTTP call; touched by the scoring thread until ``left`` is 0, then by its event loop."""

    requests: Sequence[RecommendRequest]
    future: asyncio.Future[list[RecommendResponse]]
    deadline: float
    left: int
    answers: dict[int, RecommendResponse] = field(default_factory=dict)
    problem: Problem | None = None


_Waiting = tuple[_Call, int]


class Scorer:
    """Answers requests from profiles and model, one batch at a time in a thread of its own.

    No timer holds a request back: a lone request is scored at once, and under load batches grow by themselves while
    the thread is busy. The event loop only queues and delivers, so health checks stay prompt during scoring.
    """

    def __init__(self, *, recommender: Recommender, profiles: Profiles, limits: Limits, metrics: Metrics) -> None:
        self._recommender = recommender
        self._profiles = profiles
        self._limits = limits
        self._metrics = metrics
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._pending = 0  # counted by the event loop alone
        self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)
        self._busy_since: float | None = None
        metrics.in_service(recommender.model_version, recommender.router_version)

    @property
    def recommender(self) -> Recommender:
        """The model in service."""
        return self._recommender

    def start(self) -> None:
        """Start the thread; call it from the event loop that will call ``answer``."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Answer what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join(timeout=5)

    def stuck(self, seconds: float) -> bool:
        """Say whether one batch has taken longer than ``seconds``, or the thread is gone."""
        since = self._busy_since
        return not self._thread.is_alive() or (since is not None and time.monotonic() - since > seconds)

    async def answer(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse]:
        """Return the answers, in the order of ``requests``.

        Raises:
            Problem: 503, too many are waiting or these waited too long; 500, the model failed.
        """
        if self._pending + len(requests) > self._limits.max_pending:
            self._metrics.refused.inc(len(requests))
            raise overloaded(f"{self._pending} requests are waiting already", retry_after=RETRY_AFTER)
        call = _Call(
            requests=requests,
            future=self._loop.create_future(),
            deadline=time.monotonic() + self._limits.deadline,
            left=len(requests),
        )
        self._pending += len(requests)
        for position in range(len(requests)):
            self._queue.put((call, position))
        return await call.future

    def use(self, recommender: Recommender) -> None:
        """Score with ``recommender`` from the next batch on. Safe from any thread."""
        self._recommender = recommender
        self._metrics.in_service(recommender.model_version, recommender.router_version)

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._busy_since = time.monotonic()
            try:
                self._score(batch)
            finally:
                self._busy_since = None
            done = [call for call, _ in batch if call.left == 0]
            if done:
                self._loop.call_soon_threadsafe(self._deliver, list(dict.fromkeys(done)))

    def _next_batch(self) -> list[_Waiting] | None:
        """Wait for a request and take those behind it; None when stopped."""
        batch: list[_Waiting] = []
        while len(batch) < self._limits.max_batch:
            try:
                entry = self._queue.get(block=not batch)
            except Empty:
                break
            if entry is None:
                if batch:
                    self._queue.put(None)
                    break
                return None
            batch.append(entry)
        return batch

    def _deliver(self, calls: list[_Call]) -> None:
        for call in calls:
            self._pending -= len(call.requests)
            if call.future.done():  # the client has gone
                continue
            if call.problem is not None:
                call.future.set_exception(call.problem)
            else:
                call.future.set_result([call.answers[position] for position in range(len(call.requests))])

    def _score(self, batch: list[_Waiting]) -> None:
        now = time.monotonic()
        wanted: list[_Waiting] = []
        for call, position in batch:
            if call.deadline < now and call.problem is None:
                call.problem = overloaded(
                    f"the request waited longer than {self._limits.deadline:g} s", retry_after=RETRY_AFTER
                )
            if call.problem is None and not call.future.cancelled():
                wanted.append((call, position))
        if wanted:
            self._metrics.batch_size.observe(len(wanted))
            self._answer(wanted)
            self._metrics.score_seconds.observe(time.monotonic() - now)
        for call, _ in batch:
            call.left -= 1

    def _answer(self, wanted: list[_Waiting]) -> None:
        recommender = self._recommender
        profiles = self._profiles.read(list({call.requests[position].user_id for call, position in wanted}))
        try:
            queries = [_query(call.requests[position], profiles or {}) for call, position in wanted]
            rankings = recommender.recommend(queries)
            answers = [
                _response(call.requests[position], ranking, recommender, store_down=profiles is None)
                for (call, position), ranking in zip(wanted, rankings, strict=True)
            ]
        except Exception:  # whatever the model raises, the thread must live on
            if len(wanted) > 1:  # find the one that the model cannot take; the others get their answers
                for one in wanted:
                    self._answer([one])
                return
            call, position = wanted[0]
            request = call.requests[position]
            request_id = request.request_id or new_request_id()
            log.exception("request %r: the model failed for user %r", request_id, request.user_id)
            call.problem = internal(request_id)
            return
        for (call, position), answer in zip(wanted, answers, strict=True):
            if answer.fallback is not None:
                self._metrics.fell_back(answer.fallback.reason)
            call.answers[position] = answer


def _query(request: RecommendRequest, profiles: dict[str, UserProfile]) -> Query:
    events = session_events(request.events)
    if request.timestamp is not None:
        moment = request.timestamp
    else:  # a client's clock may run ahead of ours
        moment = max([time.time_ns() // 1_000_000, *(event.timestamp for event in events)])
    return Query(
        user_id=request.user_id,
        profile=profiles.get(request.user_id),
        events=events,
        timestamp=moment,
        k=request.k,
        exclude=request.exclude,
    )


def _response(
    request: RecommendRequest, ranking: Ranking, recommender: Recommender, *, store_down: bool
) -> RecommendResponse:
    labels = recommender.router.labels
    reason: FallbackReason | None = "store_unavailable" if store_down else ranking.fallback
    source: FallbackSource = "model" if ranking.fallback is None else "popularity"
    return RecommendResponse(
        request_id=request.request_id or new_request_id(),
        user_id=request.user_id,
        items=[
            Item(item_id=item.item_id, score=item.score, theme=item.theme, theme_label=labels[item.theme])
            for item in ranking.items
        ],
        themes=[
            Theme(theme=theme.theme, label=theme.label, share=theme.share, sessions=theme.sessions)
            for theme in ranking.themes
        ],
        experiment=None,
        arm=None,
        model_version=recommender.model_version,
        router_version=recommender.router_version,
        fallback=None if reason is None else Fallback(source=source, reason=reason),
    )
