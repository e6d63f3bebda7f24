"""How the recommender deals with whatever the service answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import Assignment, Fallback, Recommendation, SessionEmbedding
from mos_online.settings import Settings
from publishing.producer import Headers
from streams import metrics
from streams.kafka.records import Record
from streams.processors import base
from streams.processors.base import WorkerContext
from streams.processors.recommender import RecommenderProcessor
from streams.processors.serving_client import TRIES
from tests.streams.processor_cases import CLOSABLE_AT, HOUR, PRESENT
from tests.streams.stream_doubles import Producer


def fail(error: Exception) -> None:
    raise error


def recommendations(producer: Producer) -> list[Recommendation]:
    published = producer.published.get(contracts.RECOMMENDATIONS, [])
    return [msgspec.json.decode(value, type=Recommendation) for _, value, *_ in published]


def embedding(
    user: str, *, headers: Headers = (("closable_at", CLOSABLE_AT),), arrived_at: int = PRESENT, by_broker: bool = False
) -> Record:
    value = SessionEmbedding(
        session_id=f"s-{user}",
        user_id=user,
        ended_at=6,
        closed_at=7,
        embedding=[],
        theme=0,
        theme_weights=[],
        router_version="r",
    )
    return Record(
        topic=contracts.SESSION_EMBEDDINGS,
        partition=2,
        offset=5,
        key=user.encode(),
        value=contracts.encode(value),
        timestamp=arrived_at,
        headers=headers,
        by_broker=by_broker,
    )


def answers(requests: list[dict[str, Any]], fallback: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"responses": [answer(request, fallback) for request in requests]})


def answer(request: dict[str, Any], fallback: str | None = None) -> dict[str, Any]:
    """What the service says; see serving/http/api.py."""
    return {
        "request_id": request["request_id"],
        "user_id": request["user_id"],
        "items": [],
        "themes": [],
        "assignments": [{"experiment": "e1", "version": 2, "arm": "b", "probability": 0.5}],
        "model_version": "m",
        "router_version": "r",
        "fallback": {"source": "popularity", "reason": fallback} if fallback else None,
    }


def ask(
    handler: Callable[[list[dict[str, Any]]], httpx.Response],
    records: list[Record],
    monkeypatch: pytest.MonkeyPatch,
    *,
    ready: Callable[[], bool] = lambda: True,
) -> tuple[Producer, list[float]]:
    """Let the recommender work off the records; returns what it published and how long it paused each time."""
    producer, pauses = Producer(), []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> None:
        settings = Settings(kafka="127.0.0.1:9", api_key="secret")
        monkeypatch.setattr(base, "RecordProducer", lambda *_, **__: producer)
        processor = RecommenderProcessor(WorkerContext(settings=settings, fail=fail))
        http = processor._client._client
        headers = http.headers

        def respond(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/readyz":
                return httpx.Response(200 if ready() else 503, text="the store is down")
            assert request.url.path == "/v1/recommend/batch"
            return handler(json.loads(request.content)["requests"])

        processor._client._client = httpx.AsyncClient(
            transport=httpx.MockTransport(respond), base_url="http://service", headers=headers
        )
        assert headers["X-API-Key"] == "secret"
        monkeypatch.setattr("streams.processors.retry.asyncio.sleep", pause)
        await processor.process(records)

    asyncio.run(run())
    monkeypatch.undo()
    return producer, pauses


def test_a_batch_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[dict[str, Any]]] = []

    def handler(requests: list[dict[str, Any]]) -> httpx.Response:
        asked.append(requests)
        return answers(requests, fallback="unknown_user")

    producer, _ = ask(handler, [embedding("u"), embedding("v")], monkeypatch)
    rest = {"k": 10, "timestamp": 7, "trigger": "session_closed"}  # nobody has seen the answer yet
    assert asked == [[{"request_id": f"rec-s-{user}", "user_id": user, **rest} for user in "uv"]]
    found = recommendations(producer)
    fallback = Fallback(source="popularity", reason="unknown_user")
    assert [(r.request_id, r.user_id, r.session_id, r.fallback) for r in found] == [
        ("rec-s-u", "u", "s-u", fallback),
        ("rec-s-v", "v", "s-v", fallback),
    ]
    assert {(r.model_version, r.router_version) for r in found} == {("m", "r")}
    assert [r.assignments for r in found] == [[Assignment("e1", 2, "b", 0.5)]] * len(found)
    assert [headers for *_, headers in producer.published[contracts.RECOMMENDATIONS]] == [
        {"closable_at": CLOSABLE_AT}
    ] * 2


DAY = 24 * HOUR


def closable(hours_ago: int) -> Headers:
    return (("closable_at", b"%d" % (PRESENT - hours_ago * HOUR)),)


def test_sessions_that_closed_long_ago_get_no_recommendation_however_they_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As all that the topics keep comes again when Kafka has forgotten the offsets of a group."""
    records = [
        embedding("kept", headers=closable(25), arrived_at=PRESENT - DAY - HOUR, by_broker=True),
        embedding("embedded again", headers=closable(200), by_broker=True),
        embedding("without a header", headers=(), arrived_at=PRESENT - DAY - HOUR, by_broker=True),
        embedding("after an outage", headers=closable(23), arrived_at=PRESENT - 23 * HOUR, by_broker=True),
        embedding("of a log of last year", headers=closable(0), arrived_at=PRESENT - 365 * DAY),
        embedding("by its producer's clock", headers=(), arrived_at=PRESENT - 365 * DAY),
    ]
    before = metrics.OLD_SESSIONS._value.get()
    producer, _ = ask(answers, records, monkeypatch)
    asked = ["after an outage", "of a log of last year", "by its producer's clock"]
    assert [found.user_id for found in recommendations(producer)] == asked
    assert metrics.OLD_SESSIONS._value.get() - before == 3
    assert producer.letters() == []


def test_it_waits_for_as_long_as_the_service_says(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [httpx.Response(503, headers={"Retry-After": "3"}), httpx.Response(429), httpx.Response(401)]

    def handler(requests: list[dict[str, Any]]) -> httpx.Response:
        return first.pop(0) if first else answers(requests)

    producer, pauses = ask(handler, [embedding("u")], monkeypatch)
    assert pauses == [3.0, 0.2, 0.4]
    assert len(recommendations(producer)) == 1
    assert producer.letters() == []


def test_answers_to_other_requests_are_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    slips = [slice(None, None, -1), slice(1)]

    def handler(requests: list[dict[str, Any]]) -> httpx.Response:
        return answers(requests[slips.pop()] if slips else requests)

    producer, pauses = ask(handler, [embedding("u"), embedding("v")], monkeypatch)
    assert len(pauses) == 2
    assert [(r.request_id, r.user_id) for r in recommendations(producer)] == [("rec-s-u", "u"), ("rec-s-v", "v")]


def test_a_session_id_that_is_too_long_for_a_request_still_gives_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def handler(requests: list[dict[str, Any]]) -> httpx.Response:
        asked.extend(request["request_id"] for request in requests)
        return answers(requests)

    producer, _ = ask(handler, [embedding("u" * 256), embedding("u" * 255 + "v")], monkeypatch)
    assert [r.request_id for r in recommendations(producer)] == asked
    assert len(set(asked)) == 2
    assert max(map(len, asked)) <= 256


@pytest.mark.parametrize("status", [422, 500])
def test_one_request_that_is_never_answered_does_not_take_the_others_with_it(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def handler(requests: list[dict[str, Any]]) -> httpx.Response:
        calls.append(len(requests))
        bad = any(request["user_id"] == "bad" for request in requests)
        return httpx.Response(status, text="cannot") if bad else answers(requests)

    producer, _ = ask(handler, [embedding("u"), embedding("bad"), embedding("v")], monkeypatch)
    assert [r.user_id for r in recommendations(producer)] == ["u", "v"]
    assert [(x.reason, x.key) for x in producer.letters()] == [("request_refused", b"bad")]
    tries = TRIES if status == 500 else 1
    assert calls == [3] * tries + [1] + [1] * tries + [1]


def test_a_record_that_is_no_embedding_becomes_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = msgspec.structs.replace(embedding("u"), value=b"{}")
    producer, _ = ask(answers, [broken, embedding("v")], monkeypatch)
    assert [x.reason for x in producer.letters()] == ["invalid"]
    assert [r.user_id for r in recommendations(producer)] == ["v"]


def test_answers_without_profiles_are_not_final_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    away = [False] * 50  # far more often than a request is sent that the service fails on
    asked: list[int] = []

    def handler(requests: list[dict[str, Any]]) -> httpx.Response:
        asked.append(len(requests))
        return answers(requests, fallback=None if not away else "store_unavailable")

    producer, pauses = ask(handler, [embedding("u"), embedding("v")], monkeypatch, ready=lambda: not away or away.pop())
    assert [(r.user_id, r.fallback) for r in recommendations(producer)] == [("u", None), ("v", None)]
    assert asked == [2, 2]
    assert len(pauses) == 51
    assert producer.letters() == []


def test_a_profile_that_cannot_be_read_though_the_store_can_holds_up_only_its_own_recommendation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def handler(requests: list[dict[str, Any]]) -> httpx.Response:
        bad = any(request["user_id"] == "huge" for request in requests)
        return answers(requests, fallback="store_unavailable" if bad else None)

    producer, pauses = ask(handler, [embedding("u"), embedding("huge"), embedding("v")], monkeypatch)
    reasons = {r.user_id: r.fallback.reason if r.fallback else None for r in recommendations(producer)}
    assert reasons == {"u": None, "huge": "store_unavailable", "v": None}
    assert len(pauses) == 2 * (TRIES - 1)
    assert producer.letters() == []
