"""Bodies that are compressed, slow, too many, or from the wrong time."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request

from mos_online.sessions import SessionConfig
from mos_online.sessions.config import YEAR_1990_MS
from mos_online.sessions.rejection import absurd_timestamp, future_timestamp
from serving.http.api import RecommendEvent, RecommendRequest
from serving.http.authentication import Client
from serving.http.bodies import Bodies
from serving.http.call import SCOPE, Call
from serving.http.encoding import decoded
from serving.http.problem import Problem
from serving.http.stream_rules import StreamRules
from serving.scoring.limits import Limits
from tests.serving.test_http_api import client, error

NOW = 1_800_000_000_000
CONFIG = SessionConfig()
BODY = json.dumps({"user_id": "anna", "k": 1}).encode()


def test_a_gzip_body_is_read() -> None:
    with client() as api:
        for name in ("gzip", "GZIP", " gzip "):
            packed = api.post("/v1/recommend", content=gzip.compress(BODY), headers={"Content-Encoding": name})
            assert packed.status_code == 200, packed.text
        assert api.post("/v1/recommend", content=BODY, headers={"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("name", ["br", "deflate", "gzip, gzip", "zstd", "nonsense"])
def test_another_encoding_is_refused_with_the_one_that_is_read(name: str) -> None:
    with client() as api:
        answer = api.post("/v1/recommend", content=gzip.compress(BODY), headers={"Content-Encoding": name})
        error(answer, 415, "unsupported_encoding")
        assert answer.headers["accept-encoding"] == "gzip"


def test_a_body_that_grows_without_bound_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * (1 << 28))
    tracemalloc.start()
    with pytest.raises(Problem) as refused:
        decoded(bomb, "gzip", limit=1 << 20)
    assert refused.value.status == 413
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20  # of its 256 MiB
    assert decoded(gzip.compress(b"x" * 100), "gzip", limit=100) == b"x" * 100
    with pytest.raises(Problem):
        decoded(gzip.compress(b"x" * 101), "gzip", limit=100)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        BODY,
        gzip.compress(BODY)[:-1],
        gzip.compress(BODY)[:5],
        gzip.compress(BODY) + b"x",
        gzip.compress(b"") * 1000,
        b"\x1f\x8b\x08\xff" + b"\x00" * 40,
    ],
    ids=["empty", "plain", "cut", "cut in its head", "more behind", "many streams", "odd flags"],
)
def test_what_is_not_one_whole_gzip_stream_is_refused(raw: bytes) -> None:
    with pytest.raises(Problem) as refused:
        decoded(raw, "gzip", limit=1000)
    assert (refused.value.status, refused.value.code) == (400, "not_gzip")


def receiving(bodies: Bodies, chunks: AsyncIterator[bytes], name: str = "c") -> asyncio.Task[bytes]:
    async def receive() -> dict[str, Any]:
        try:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}

    request = Request({"type": "http", "headers": []}, receive)
    request.scope[SCOPE] = Call(request_id="r", client=Client(key=None, name=name))
    return asyncio.create_task(bodies.receive(request, limit=1000))


async def hanging(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    await asyncio.Event().wait()


async def dribble() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("source", [hanging(), hanging(b"{"), dribble()])
def test_a_body_that_does_not_arrive_in_time_ends_the_connection(source: AsyncIterator[bytes]) -> None:
    async def work() -> None:
        bodies = Bodies(Limits(body_seconds=0.1), StreamRules(CONFIG))
        with pytest.raises(Problem) as refused:
            await receiving(bodies, source)
        assert refused.value.status == 408
        assert refused.value.headers["Connection"] == "close"

    asyncio.run(work())


def test_the_bodies_of_all_and_of_one_client_are_bounded_together() -> None:
    async def work() -> None:
        bodies = Bodies(Limits(bodies=1000), StreamRules(CONFIG))
        first = receiving(bodies, hanging(b"x" * 400), "greedy")
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await receiving(bodies, hanging(b"x" * 101), "greedy")
        assert refused.value.status == 429
        second = receiving(bodies, hanging(b"x" * 500), "other")
        await asyncio.sleep(0)
        with pytest.raises(Problem) as full:
            await receiving(bodies, hanging(b"x" * 101), "third")
        assert full.value.status == 503
        for task in (first, second):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        async def short() -> AsyncIterator[bytes]:
            yield b"x" * 250
            yield b"x" * 250

        assert len(await receiving(bodies, short(), "greedy")) == 500  # the room is there again

    asyncio.run(work())


def told(timestamp: int, *, moment: int | None = None) -> Problem | None:
    request = RecommendRequest(user_id="u", timestamp=moment, events=[RecommendEvent(item_id="i", timestamp=timestamp)])
    try:
        StreamRules(CONFIG, clock=lambda: NOW).check(request, "$")
    except Problem as problem:
        return problem
    return None


@pytest.mark.parametrize("timestamp", [YEAR_1990_MS, NOW - 1, NOW, NOW + CONFIG.max_future])
def test_times_that_the_stream_takes_are_taken(timestamp: int) -> None:
    assert told(timestamp) is None


@pytest.mark.parametrize("timestamp", [0, NOW // 1000, YEAR_1990_MS - 1])
def test_seconds_are_refused_in_the_words_of_the_stream(timestamp: int) -> None:
    problem = told(timestamp)
    assert problem is not None
    assert (problem.status, problem.code) == (422, "absurd_timestamp")
    assert absurd_timestamp(timestamp, CONFIG).message in problem.message
    assert "`$.events[0].timestamp`" in problem.message


@pytest.mark.parametrize("timestamp", [NOW + CONFIG.max_future + 1, NOW + 10**11])
def test_times_ahead_are_refused_in_the_words_of_the_stream(timestamp: int) -> None:
    problem = told(timestamp)
    assert problem is not None
    assert (problem.status, problem.code) == (422, "future_timestamp")
    assert future_timestamp(timestamp, NOW, allowed=CONFIG.max_future).message in problem.message


@pytest.mark.parametrize(("moment", "code"), [(NOW // 1000, "absurd_timestamp"), (NOW + 10**11, "future_timestamp")])
def test_the_moment_to_recommend_for_follows_the_same_rules(moment: int, code: str) -> None:
    problem = told(NOW, moment=moment)
    assert problem is not None
    assert (problem.status, problem.code) == (422, code)
    assert "`$.timestamp`" in problem.message


def test_times_are_checked_in_every_request_of_a_batch() -> None:
    with client() as api:
        now = time.time_ns() // 1_000_000
        good = {"user_id": "anna", "events": [{"item_id": "i", "timestamp": now}]}
        assert api.post("/v1/recommend", json=good).status_code == 200
        bad = {"user_id": "anna", "events": [{"item_id": "i", "timestamp": now // 1000}]}
        error(api.post("/v1/recommend", json=bad), 422, "absurd_timestamp")
        told = error(api.post("/v1/recommend/batch", json={"requests": [good, bad]}), 422, "absurd_timestamp")
        assert "$.requests[1].events[0].timestamp" in told["message"]


def test_a_type_that_the_stream_rejects_is_refused_in_its_words() -> None:
    rules = StreamRules(replace(CONFIG, event_types="view:1,bot:reject,*:1"), clock=lambda: NOW)
    events = [RecommendEvent(item_id="i", timestamp=NOW, event_type=kind) for kind in ("view", " BOT")]
    rules.check(RecommendRequest(user_id="u", events=events[:1]), "$")
    with pytest.raises(Problem) as refused:
        rules.check(RecommendRequest(user_id="u", events=events), "$")
    assert (refused.value.status, refused.value.code) == (422, "rejected_event_type")
    assert "$.events[1].event_type" in refused.value.message
