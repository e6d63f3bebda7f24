"""Every answer is logged, and no answer depends on that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from mos_online.contracts import Decision, Fallback
from mos_online.settings import Settings
from publishing.unwaiting import Done
from serving.http.app import create_app
from tests.serving.serving_doubles import FakeRecommender, make_service, wait_for

T = 1_700_000_000_000


class Recorder:
    """In place of the producer.

    Attributes:
        sent: topic, key and value of each record.
        outcome: what becomes of a record: it is refused, reported as this, or an error of the producer.
    """

    trouble: str | None = None

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.running: list[bool] = []
        self.outcome: Any = None

    def start(self) -> None:
        self.running.append(True)

    def stop(self) -> None:
        self.running.append(False)

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome is False:
            return False
        self.sent.append((topic, key, value))
        done(self.outcome)
        return True

    def decisions(self) -> list[Decision]:
        return [msgspec.json.decode(value, type=Decision) for _, _, value in self.sent]


@contextmanager
def client(recorder: Recorder, settings: Settings | None = None, **service: Any) -> Iterator[TestClient]:
    app = create_app(make_service(**service), settings=settings or Settings(), publisher=recorder)
    with TestClient(app) as started:
        wait_for(lambda: started.get("/readyz").status_code == 200)
        yield started


def counted(api: TestClient) -> dict[str, float]:
    found = re.findall(r'mos_serving_decisions_total\{outcome="(\w+)"\} (\S+)', api.get("/metrics").text)
    return {outcome: float(count) for outcome, count in found}


def test_an_answer_is_logged_as_it_was_given() -> None:
    recorder = Recorder()
    with client(recorder) as api:
        event = {"item_id": "a9", "timestamp": T}
        body = {"user_id": "anna", "k": 3, "events": [event], "timestamp": T + 5, "request_id": "mine"}
        answer = api.post("/v1/recommend", json=body).json()
        (decision,) = recorder.decisions()
        counts = counted(api)

    assert recorder.sent[0][:2] == ("decisions", b"anna")
    assert (decision.request_id, decision.user_id) == ("mine", "anna")
    assert (decision.timestamp, decision.trigger, decision.candidates) == (T + 5, "request", 1200)
    assert decision.score_level == 2.5
    assert (decision.model_version, decision.router_version) == (answer["model_version"], answer["router_version"])
    assert decision.fallback is None
    assert [(item.item_id, item.score, item.theme) for item in decision.items] == [
        (item["item_id"], item["score"], item["theme"]) for item in answer["items"]
    ]
    assert counts == {"logged": 1}
    assert recorder.running == [True, False]


def test_every_answer_of_a_batch_is_logged_with_its_own_name_user_and_fallback() -> None:
    recorder = Recorder()
    with client(recorder) as api:
        users = [{"user_id": "anna"}, {"user_id": "bob", "trigger": "test"}, {"user_id": "c", "request_id": "c1"}]
        users[0]["trigger"] = "session_closed"
        answers = api.post("/v1/recommend/batch", json={"requests": users}).json()["responses"]

    found = recorder.decisions()
    assert [key for _, key, _ in recorder.sent] == [b"anna", b"bob", b"c"]
    assert [one.request_id for one in found] == [answer["request_id"] for answer in answers]
    assert [one.trigger for one in found] == ["session_closed", "test", "request"]
    assert {one.fallback for one in found} == {Fallback(source="popularity", reason="unknown_user")}


def test_a_request_without_a_time_is_logged_with_the_time_for_which_it_was_answered() -> None:
    recorder, model = Recorder(), FakeRecommender()
    with client(recorder, load=lambda _: model) as api:
        api.post("/v1/recommend", json={"user_id": "anna"})

    assert recorder.decisions()[0].timestamp == model.batches[-1][0].timestamp


@pytest.mark.parametrize(
    ("outcome", "name"),
    [(False, "no_room"), ("timed out", "not_delivered"), (RuntimeError("of a test"), "failed")],
)
def test_an_answer_that_cannot_be_logged_is_given_and_counted(outcome: Any, name: str) -> None:
    recorder = Recorder()
    with client(recorder) as api:
        recorder.outcome = outcome
        assert api.post("/v1/recommend", json={"user_id": "anna"}).status_code == 200
        assert counted(api) == {name: 1}


@pytest.mark.parametrize("body", [{"user_id": ""}, {"user_id": "u", "trigger": "push"}])
def test_what_is_refused_is_not_logged(body: dict[str, Any]) -> None:
    recorder = Recorder()
    with client(recorder) as api:
        assert api.post("/v1/recommend", json=body).status_code == 422
    assert recorder.sent == []


def test_a_query_on_which_the_model_fails_is_not_logged() -> None:
    recorder, model = Recorder(), FakeRecommender()
    model.poison = "anna"
    with client(recorder, load=lambda _: model) as api:
        assert api.post("/v1/recommend", json={"user_id": "anna"}).status_code == 500
    assert recorder.sent == []


def test_the_log_can_be_switched_off_and_has_the_namespace() -> None:
    off, other = Recorder(), Recorder()
    with client(off, Settings(decisions=False)) as api:
        assert api.post("/v1/recommend", json={"user_id": "anna"}).status_code == 200
        assert counted(api) == {}
    with client(other, Settings(namespace="shop.")) as api:
        api.post("/v1/recommend", json={"user_id": "anna"})

    assert off.sent == []
    assert [topic for topic, _, _ in other.sent] == ["shop.decisions"]
