"""The queue before the model: batches, bounds, deadlines, faults."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mos_online.contracts import Fallback, SessionEvent
from mos_online.recommend.query import Query
from serving.scoring.answer import Answer, GreedyError, OverloadedError, ScoringError
from serving.scoring.limits import Limits
from serving.scoring.lineup import Lineup, Part
from serving.scoring.service import Service
from tests.serving.serving_doubles import FakeRecommender, FakeStore, make_service, wait_for

REFRESH = 0.02


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


@asynccontextmanager
async def serving(model: FakeRecommender, **limits: Any) -> AsyncIterator[Service]:
    service = make_service(load=lambda _: model, limits=Limits(refresh=REFRESH, **limits))
    service.start()
    await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
    while model.entered.acquire(blocking=False):  # the warm-up
        pass
    try:
        yield service
    finally:
        model.release.set()
        await asyncio.to_thread(service.stop)


def query(user: str) -> Query:
    """The model of these tests answers with the item of the event, which is named after the user."""
    event = SessionEvent(event_id="e", item_id=user, timestamp=1)
    return Query(user_id=user, profile=None, events=[event], timestamp=2, k=1, exclude=[])


def ask(service: Service, *users: str, client: str = "") -> asyncio.Task[list[Answer]]:
    """Ask in one call, as a client of its own or as ``client``."""
    return asyncio.create_task(service.recommend([query(user) for user in users], client=client or users[0]))


def named(answers: list[Answer]) -> list[str]:
    """The users of the queries that these are the answers to."""
    return [item.item_id for answer in answers for item in answer.ranking.items]


async def blocked(service: Service, model: FakeRecommender) -> asyncio.Task[Any]:
    """A request that the model is busy with until ``model.release`` is set."""
    model.release.clear()
    task = ask(service, "first")
    await asyncio.to_thread(model.entered.acquire)
    return task


def sizes(model: FakeRecommender) -> list[int]:
    return [len(batch) for batch in model.batches]


def test_requests_that_arrive_during_scoring_form_the_next_batches() -> None:
    async def work() -> None:
        model = FakeRecommender()
        async with serving(model, max_batch=16) as service:
            tasks = [await blocked(service, model)]
            tasks += [ask(service, f"u{n}") for n in range(20)]
            await asyncio.sleep(0)
            model.release.set()
            answers = await asyncio.gather(*tasks)
        assert sizes(model) == [1, 16, 4]
        assert [user for answer in answers for user in named(answer)] == ["first", *(f"u{n}" for n in range(20))]

    run(work)


def test_a_call_that_spans_batches_is_answered_whole_and_in_order() -> None:
    async def work() -> None:
        model = FakeRecommender()
        users = [f"u{n}" for n in range(10)]
        async with serving(model, max_batch=4) as service:
            answers = await ask(service, *users)
        assert named(answers) == users
        assert sizes(model) == [4, 4, 2]

    run(work)


def test_too_many_waiting_are_refused_at_once_and_told_when_to_retry() -> None:
    async def work() -> None:
        model = FakeRecommender()
        async with serving(model, max_pending=4, deadline=60) as service:
            first = await blocked(service, model)
            waiting = [ask(service, f"u{n}") for n in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(OverloadedError, match="4 requests are waiting already") as refused:
                await ask(service, "one too many")
            assert refused.value.retry_after >= 1
            model.release.set()
            assert len(await asyncio.gather(first, *waiting)) == 4
            assert len(await ask(service, "again")) == 1  # room again
        assert b"mos_serving_refused_queries_total 1.0" in service.metrics.render()

    run(work)


def test_a_greedy_client_is_refused_and_another_is_scored_with_the_next_batch() -> None:
    async def work() -> None:
        model = FakeRecommender()
        async with serving(model, max_pending=16, max_call=4, max_batch=2, deadline=60) as service:
            first = await blocked(service, model)
            greedy = [ask(service, *(f"g{n}" for n in range(4)), client="greedy") for _ in range(5)]
            await asyncio.sleep(0)
            other = ask(service, "o", client="other")
            await asyncio.sleep(0)
            model.release.set()
            assert named(await other) == ["o"]
            outcomes = await asyncio.gather(first, *greedy, return_exceptions=True)
            assert sum(isinstance(outcome, GreedyError) for outcome in outcomes) == 4
        assert [query.user_id for query in model.batches[1]] == ["g0", "o"]  # not behind what the greedy one asked

    run(work)


def test_a_request_that_waited_past_its_deadline_is_refused_and_not_scored() -> None:
    async def work() -> None:
        model = FakeRecommender()
        async with serving(model, deadline=0.05) as service:
            first = await blocked(service, model)
            late = ask(service, "late", "later")
            await asyncio.sleep(0.1)
            model.release.set()
            await first
            with pytest.raises(OverloadedError, match=r"waited longer than 0\.05 s") as refused:
                await late
            assert refused.value.retry_after >= 1
            assert len(await ask(service, "in time")) == 1
        assert sizes(model) == [1, 1]

    run(work)


@pytest.mark.parametrize("where", ["the model", "the arms"])
def test_a_request_that_the_model_or_its_arms_cannot_take_fails_alone(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    divide = Lineup.parts

    def parts(lineup: Lineup, queries: Sequence[Query], *, most: int) -> list[Part]:
        if any(query.user_id == "bad" for query in queries):
            raise ValueError("poison")
        return divide(lineup, queries, most=most)

    async def work() -> None:
        model = FakeRecommender()
        if where == "the model":
            model.poison = "bad"
        else:
            monkeypatch.setattr(Lineup, "parts", parts)
        async with serving(model) as service:
            first = await blocked(service, model)
            tasks = [ask(service, *users) for users in (["a"], ["good", "bad"], ["b"])]
            await asyncio.sleep(0)
            model.release.set()
            await first
            good_a, bad, good_b = await asyncio.gather(*tasks, return_exceptions=True)
        assert not isinstance(good_a, BaseException)
        assert not isinstance(good_b, BaseException)
        assert named(good_a + good_b) == ["a", "b"]
        assert isinstance(bad, ScoringError)
        assert bad.position == 1
        assert str(bad.__cause__) == "poison"

    run(work)


def test_a_replica_is_stuck_when_its_thread_is_gone_and_not_before() -> None:
    async def work() -> None:
        async with serving(FakeRecommender()) as service:
            assert not service.stuck()
        assert service.stuck()

    run(work)


def test_a_model_that_answers_too_little_fails_its_query_and_the_thread_lives_on() -> None:
    async def work() -> None:
        model = FakeRecommender()
        async with serving(model) as service:
            rank, model.recommend = model.recommend, lambda queries: []  # type: ignore[method-assign]
            with pytest.raises(ScoringError):
                await ask(service, "u")
            model.recommend = rank  # type: ignore[method-assign]
            assert named(await ask(service, "u")) == ["u"]

    run(work)


def test_a_client_that_went_away_is_not_scored_and_leaves_room() -> None:
    async def work() -> None:
        model = FakeRecommender()
        async with serving(model, max_pending=3) as service:
            first = await blocked(service, model)
            gone = ask(service, "gone", "gone too")
            await asyncio.sleep(0)
            gone.cancel()
            model.release.set()
            await first
            answers = None
            while answers is None:  # there is room once the thread has passed over them
                try:
                    answers = await ask(service, "a", "b", "c")
                except OverloadedError:
                    await asyncio.sleep(0.005)
            assert len(answers) == 3
        assert [query.user_id for batch in model.batches for query in batch] == ["first", "a", "b", "c"]

    run(work)


def test_stopping_answers_what_is_queued() -> None:
    async def work() -> None:
        model = FakeRecommender()
        async with serving(model) as service:
            tasks = [await blocked(service, model), *(ask(service, f"u{n}") for n in range(20))]
            await asyncio.sleep(0)
            threading.Timer(0.05, model.release.set).start()
            await asyncio.to_thread(service.stop)
            assert len(await asyncio.gather(*tasks)) == 21

    run(work)


def test_a_store_that_hangs_delays_one_batch_and_then_nobody() -> None:
    async def work() -> None:
        store = FakeStore()
        model = FakeRecommender()
        service = make_service(store=store, load=lambda _: model, limits=Limits(refresh=REFRESH, store_timeout=0.1))
        service.start()
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        store.hang.clear()
        for _ in range(3):
            (answer,) = await ask(service, "u")
            assert answer.fallback == Fallback(source="model", reason="store_unavailable")
        assert store.reads <= 1  # a refresh may have met the hanging store before the first request did
        store.hang.set()
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        (answer,) = await ask(service, "u")
        assert answer.fallback is None
        await asyncio.to_thread(service.stop)

    run(work)
