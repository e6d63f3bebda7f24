"""POST /v1/events: what is taken, when it counts as taken, and who may send it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from mos_online.contracts import Click, Impression
from mos_online.settings import Settings
from publishing.unwaiting import Done
from serving.http.app import create_app
from serving.http.keys import KeyRing, make_key
from serving.http.routes.events import EXAMPLE
from serving.scoring.limits import Limits
from tests.serving.serving_doubles import make_service
from tests.serving.test_decisions import Recorder, client
from tests.serving.test_keys import write

NOW = time.time_ns() // 1_000_000


def click(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"c{number}", "user_id": f"u{number}", "item_id": "i", "timestamp": NOW} | fields


def impression(number: int = 0, **fields: Any) -> dict[str, Any]:
    event = {"event_id": f"s{number}", "user_id": f"u{number}", "request_id": "r", "item_ids": ["i"], "timestamp": NOW}
    return event | fields


def test_clicks_and_impressions_go_to_their_topics_with_their_users_as_keys() -> None:
    recorder = Recorder()
    with client(recorder, Settings(namespace="shop.")) as api:
        body = {"clicks": [click(1, user_id=7), click(2, context={"a": {"b": 1}})], "impressions": [impression(3)]}
        body["impressions"][0]["item_ids"] = [5, "x"]
        answer = api.post("/v1/events", json=body)

    assert (answer.status_code, answer.json()) == (202, {"accepted": 3})
    assert [sent[:2] for sent in recorder.sent] == [
        ("shop.clicks", b"7"),
        ("shop.clicks", b"u2"),
        ("shop.impressions", b"u3"),
    ]
    first, second = (msgspec.json.decode(value, type=Click) for _, _, value in recorder.sent[:2])
    assert (first.user_id, first.event_id, second.context) == ("7", "c1", {"a": '{"b":1}'})
    shown = msgspec.json.decode(recorder.sent[2][2], type=Impression)
    assert (shown.item_ids, shown.first_position, shown.request_id) == (["5", "x"], 0, "r")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "0 events"),
        ({"clicks": [click()] * 300, "impressions": [impression()] * 201}, "501 events"),
        ({"clicks": [click()] * 501}, "clicks"),
        ({"clicks": [click(item_id="")]}, "`item_id`"),
        ({"clicks": [click(), {"user_id": "u", "item_id": "i", "timestamp": NOW}]}, "`event_id`"),
        ({"impressions": [impression(item_ids=[])]}, "`item_ids`"),
        ({"impressions": [impression(item_ids=["i"] * 101)]}, "`item_ids`"),
        ({"impressions": [impression(first_position=-1)]}, "`first_position`"),
        ({"clicks": [click(timestamp=NOW // 1000)]}, "$.clicks[0].timestamp"),
        ({"impressions": [impression(), impression(timestamp=NOW + 86_400_000)]}, "$.impressions[1].timestamp"),
        ({"clicks": [click(), click(event_type="bot")]}, "$.clicks[1].event_type"),
        ({"events": [click()]}, "clicks, impressions"),
    ],
)
def test_one_invalid_event_refuses_the_call_and_nothing_is_published(body: dict[str, Any], names: str) -> None:
    recorder = Recorder()
    with client(recorder, Settings(event_types="bot:reject,*:1")) as api:
        answer = api.post("/v1/events", json=body)

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert names in error["message"] + error["fix"]
    assert recorder.sent == []


class Slow(Recorder):
    """Reports what was sent when it is told to, in a thread as the producer does."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Done] = []

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        self.waiting.append(done)
        return True

    def report(self, *errors: str | None) -> None:
        def run() -> None:
            while len(self.waiting) < len(errors):
                time.sleep(0.001)
            for done, error in zip(self.waiting, errors, strict=True):
                done(error)

        threading.Thread(target=run).start()


@pytest.mark.parametrize(("errors", "status"), [((None, None), 202), ((None, "timed out"), 503), (("no", None), 503)])
def test_the_answer_comes_when_kafka_has_all_or_has_refused_one(errors: tuple[str | None, ...], status: int) -> None:
    slow = Slow()
    with client(slow) as api:
        slow.report(*errors)
        answer = api.post("/v1/events", json={"clicks": [click()], "impressions": [impression()]})

    assert answer.status_code == status
    if status == 503:
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["error"]["code"] == "not_taken"


def test_kafka_that_says_nothing_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    with client(slow) as api:
        with monkeypatch.context() as hurried:
            hurried.setattr("serving.feedback.events.SECONDS", 0.01)
            answer = api.post("/v1/events", json={"clicks": [click()]})
        assert answer.status_code == 503
        assert "has not taken" in answer.json()["error"]["message"]
        slow.report(None)  # the report that comes after that disturbs nobody
        slow.waiting.clear()
        slow.report(None)
        assert api.post("/v1/events", json={"clicks": [click()]}).status_code == 202


def test_no_room_for_events_is_a_503_and_the_share_is_given_back() -> None:
    recorder = Recorder()
    with client(recorder, limits=Limits(refresh=0.02, max_events=500)) as api:
        recorder.outcome = False
        for _ in range(5):
            answer = api.post("/v1/events", json={"clicks": [click()] * 400})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_taken")
        recorder.outcome = None
        assert api.post("/v1/events", json={"clicks": [click()] * 400}).status_code == 202


def test_without_a_producer_events_are_refused() -> None:
    with TestClient(create_app(make_service(), settings=Settings())) as api:
        assert api.post("/v1/events", json={"clicks": [click()]}).status_code == 503


def test_a_key_needs_the_scope_write(tmp_path: Path) -> None:
    reads, reader = make_key("reads", ["recommend"])
    writes, writer = make_key("writes", ["write"])
    keys = KeyRing(api_key=None, file=write(tmp_path / "keys", reader.line(), writer.line()))
    recorder = Recorder()
    app = create_app(make_service(), settings=Settings(), publisher=recorder, keys=keys)
    with TestClient(app) as api:
        statuses = [
            api.post("/v1/events", json={"clicks": [click()]}, headers=headers).status_code
            for headers in ({}, {"X-API-Key": reads}, {"X-API-Key": writes})
        ]
    assert statuses == [401, 403, 202]
    assert len(recorder.sent) == 1


def test_pages_of_named_origins_may_send_events_and_read_errors() -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}
    with client(Recorder(), Settings(cors_origins="https://shop.example, https://b.example:8443")) as api:
        ours, theirs = ({"Origin": origin} for origin in ("https://b.example:8443", "https://evil.example"))
        assert api.options("/v1/events", headers=ours | preflight).status_code == 200
        assert api.options("/v1/events", headers=theirs | preflight).status_code == 400
        for body in ({"clicks": [click()]}, {}):
            answer = api.post("/v1/events", json=body, headers=ours)
            assert answer.headers["access-control-allow-origin"] == ours["Origin"]
        assert "access-control-allow-origin" not in api.post("/v1/events", json={}, headers=theirs).headers
        assert "access-control-allow-origin" not in api.post("/v1/recommend", json={}, headers=ours).headers
        assert api.get("/v1/events").status_code == 405
    with client(Recorder()) as api:
        assert api.options("/v1/events", headers=ours | preflight).status_code == 405
        assert "access-control-allow-origin" not in api.post("/v1/events", json={}, headers=ours).headers


def test_the_example_of_the_document_works_and_a_body_that_is_too_large_does_not() -> None:
    with client(Recorder()) as api:
        document = api.get("/openapi.json").json()
        assert document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert set(document["paths"]["/v1/events"]["post"]["responses"]) >= {"202", "422", "503"}
        assert api.post("/v1/events", json=EXAMPLE).status_code == 202
        large = json.dumps({"clicks": [click(context={"a": "x" * 950_000})]})
        assert api.post("/v1/events", content=large).status_code == 413
