"""Status codes, bodies and headers of every path, in process."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.openapi.models import OpenAPI
from starlette.testclient import TestClient

from mos_online.contracts import Fallback, Recommendation, encode
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from serving.http.app import create_app
from serving.http.keys import make_key
from serving.http.reference import page
from serving.scoring.limits import Limits
from tests.serving.serving_doubles import FakeRecommender, FakeRegistry, FakeStore, make_service, wait_for
from tests.serving.test_keys import write

T = 1_700_000_000_000

ANNA = UserProfile(
    user_id="anna",
    item_ids=["a1", "a2"],
    timestamps=[1, 2],
    categories=[None, None],
    session_lengths=[2],
    session_themes=[2],
    session_count=3,
)


@contextmanager
def client(
    *,
    settings: Settings | None = None,
    store: FakeStore | None = None,
    model: FakeRecommender | None = None,
    **limits: Any,
) -> Iterator[TestClient]:
    service = make_service(
        store=store or FakeStore(ANNA),
        load=(lambda _: model) if model else None,
        limits=Limits(refresh=0.02, **{"store_timeout": 0.5, **limits}),
    )
    with TestClient(create_app(service, settings=settings or Settings())) as started:
        wait_for(lambda: started.get("/readyz").status_code == 200)
        yield started


@pytest.fixture(scope="module")
def api() -> Iterator[TestClient]:
    with client() as started:
        yield started


def error(response: Any, status: int, code: str) -> dict[str, str]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "fix"}
    assert body["error"]["code"] == code
    assert all(body["error"].values())
    assert "Traceback" not in response.text
    return dict(body["error"])


def test_a_known_user_is_answered_from_their_profile(api: TestClient) -> None:
    body = api.post("/v1/recommend", json={"user_id": "anna", "k": 3}).json()
    assert [item["item_id"] for item in body["items"]] == ["a1", "a2", "i0"]
    second = {"item_id": "a2", "score": 0, "theme": 1, "theme_label": "garden, tools", "together_with": "a1"}
    assert body["items"][1] | {"score": 0} == second
    assert "together_with" not in body["items"][0]
    assert body["themes"] == [{"theme": 2, "label": "cameras", "share": 1.0, "sessions": 3}]
    assert (body["model_version"], body["router_version"], body["fallback"]) == ("m1", "r-m1", None)
    assert re.fullmatch("[0-9a-f]{32}", body["request_id"])
    assert body["assignments"] == []
    assert body["request_id"] != api.post("/v1/recommend", json={"user_id": "anna"}).json()["request_id"]


def test_a_request_may_name_itself(api: TestClient) -> None:
    for name, expected in (("r" * 256, "r" * 256), (12.0, "12")):
        assert api.post("/v1/recommend", json={"user_id": "anna", "request_id": name}).json()["request_id"] == expected
    named = [{"user_id": "anna", "request_id": name} for name in ("b", "a", "b")]
    body = api.post("/v1/recommend/batch", json={"requests": [*named, {"user_id": "anna"}]}).json()
    assert [answer["request_id"] for answer in body["responses"]][:3] == ["b", "a", "b"]
    assert re.fullmatch("[0-9a-f]{32}-3", body["responses"][3]["request_id"])
    for name in ("", "r" * 257, True):
        told = error(api.post("/v1/recommend", json={"user_id": "anna", "request_id": name}), 422, "invalid")
        assert "`request_id`" in told["fix"]


@pytest.mark.parametrize(
    ("header", "named", "expected"),
    [
        (None, None, "[0-9a-f]{32}"),
        ("trace-1:a.b_c", None, "trace-1:a.b_c"),
        (None, "mine", "mine"),
        ("trace-1", "mine", "mine"),
        ("x" * 129, None, "[0-9a-f]{32}"),
        ("two words", None, "[0-9a-f]{32}"),
        ("a,b", None, "[0-9a-f]{32}"),
        ("", None, "[0-9a-f]{32}"),
    ],
)
def test_the_header_and_the_body_name_the_answer_alike(
    api: TestClient, header: str | None, named: str | None, expected: str
) -> None:
    headers = {} if header is None else {"X-Request-ID": header}
    sent = {"user_id": "anna"} | ({} if named is None else {"request_id": named})
    answer = api.post("/v1/recommend", json=sent, headers=headers)
    assert re.fullmatch(expected, answer.json()["request_id"])
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_every_answer_is_named_in_its_header(api: TestClient) -> None:
    for method, path in (("GET", "/healthz"), ("POST", "/v1/recommend"), ("GET", "/none"), ("PUT", "/v1/recommend")):
        assert api.request(method, path, headers={"X-Request-ID": "r-1"}).headers["x-request-id"] == "r-1"
    body = {"requests": [{"user_id": "anna"}, {"user_id": "anna", "request_id": "mine"}]}
    batch = api.post("/v1/recommend/batch", json=body, headers={"X-Request-ID": "r-1"})
    assert [answer["request_id"] for answer in batch.json()["responses"]] == ["r-1-0", "mine"]
    unsendable = api.post(
        "/v1/recommend", json={"user_id": "anna", "request_id": "né\n"}, headers={"X-Request-ID": "r"}
    )
    assert unsendable.json()["request_id"] == "né\n"
    assert unsendable.headers["x-request-id"] == "r"


@pytest.mark.parametrize("path", ["/v1/recommend/", "/v1/recommend//", "/healthz/"])
def test_nothing_redirects(api: TestClient, path: str) -> None:
    answer = api.post(path, json={"user_id": "u"}, headers={"Host": "evil.example"}, follow_redirects=False)
    error(answer, 404, "not_found")
    assert "location" not in answer.headers


def test_an_answer_over_http_and_one_on_the_topic_have_the_same_fields_in_common(api: TestClient) -> None:
    body = api.post("/v1/recommend", json={"user_id": "nobody"}).json()
    on_topic = body | {"trigger": "session_closed", "session_id": "s", "created_at": 5}
    found = msgspec.convert(on_topic, Recommendation)
    assert found.fallback == Fallback(source="popularity", reason="unknown_user")
    assert set(json.loads(encode(found))) == set(on_topic) - {"themes"}


def test_an_unknown_user_gets_popular_items(api: TestClient) -> None:
    body = api.post("/v1/recommend", json={"user_id": "nobody"}).json()
    assert len(body["items"]) == 10
    assert body["fallback"] == {"source": "popularity", "reason": "unknown_user"}


def test_excluded_items_need_not_exist_and_do_not_come(api: TestClient) -> None:
    body = api.post("/v1/recommend", json={"user_id": "anna", "k": 2, "exclude": ["a1", "no such item"]}).json()
    assert [item["item_id"] for item in body["items"]] == ["a2", "i0"]


def test_events_reach_the_model_in_order_of_time() -> None:
    model = FakeRecommender()
    events = [
        {"item_id": "late", "timestamp": T + 9, "context": {"category": "x"}},
        {"item_id": "early", "timestamp": T + 3},
    ]
    with client(model=model) as api:
        api.post("/v1/recommend", json={"user_id": "anna", "events": events, "timestamp": T + 50})
        future = 10_000 + time.time_ns() // 1_000_000
        api.post("/v1/recommend", json={"user_id": "anna", "events": [{"item_id": "i", "timestamp": future}]})
    (first,), (second,) = model.batches
    assert [event.item_id for event in first.events] == ["early", "late"]
    assert first.timestamp == T + 50
    assert first.profile == ANNA
    assert second.timestamp == future  # a client's clock ahead of ours does not put its click after the request


def test_a_batch_is_answered_in_order(api: TestClient) -> None:
    users = [f"u{n}" for n in range(63)] + ["anna"]
    body = api.post("/v1/recommend/batch", json={"requests": [{"user_id": user, "k": 1} for user in users]}).json()
    assert [answer["user_id"] for answer in body["responses"]] == users
    assert body["responses"][-1]["fallback"] is None


def test_errors_have_one_shape(api: TestClient) -> None:
    error(api.post("/v1/recommend", content=b"{"), 400, "not_json")
    error(api.post("/v1/recommend", json={"user_id": "u", "k": 0}), 422, "invalid")
    error(api.post("/v1/recommend/batch", json={"requests": []}), 422, "invalid")
    error(api.get("/v1/nothing"), 404, "not_found")
    error(api.get("/"), 404, "not_found")
    wrong = api.get("/v1/recommend")
    error(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_a_body_that_is_too_large_is_refused_with_and_without_its_length() -> None:
    with client(body=1000, batch_body=2000) as api:
        big = json.dumps({"user_id": "u", "exclude": ["x" * 100] * 10}).encode()
        error(api.post("/v1/recommend", content=big), 413, "too_large")
        error(api.post("/v1/recommend", content=iter([big[:600], big[600:]])), 413, "too_large")
        assert api.post("/v1/recommend/batch", content=b'{"requests":[' + big + b"]}").status_code == 200
        error(api.post("/v1/recommend/batch", content=b" " * 2001), 413, "too_large")


def test_the_api_key_guards_what_answers_about_users_and_nothing_else() -> None:
    with client(settings=Settings(api_key="secret-2")) as api:
        missing = api.post("/v1/recommend", json={"user_id": "u"})
        assert "missing" in error(missing, 401, "unauthorized")["message"]
        assert "www-authenticate" in missing.headers
        wrong = {b"X-API-Key": "sécret".encode()}
        assert "wrong" in error(api.get("/v1/model", headers=wrong), 401, "unauthorized")["message"]
        error(api.post("/v1/recommend/batch", content=b"{"), 401, "unauthorized")
        good = {"X-API-Key": "secret-2"}
        assert api.post("/v1/recommend", json={"user_id": "u"}, headers=good).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
            assert api.get(path).status_code == 200


def test_a_key_does_what_its_scopes_say_and_a_new_one_is_taken_without_a_restart(tmp_path: Path) -> None:
    (web, web_line), (ops, ops_line) = make_key("web", ["recommend"]), make_key("ops", ["admin"])
    file = write(tmp_path / "keys", web_line.line())
    with client(settings=Settings(api_keys_file=file, pages_need_key=True)) as api:

        def status(path: str, key: str | None) -> int:
            return api.get(path, headers={} if key is None else {"X-API-Key": key}).status_code

        assert [status("/v1/model", key) for key in (None, ops, web)] == [401, 401, 200]
        for path in ("/metrics", "/docs", "/openapi.json"):
            assert [status(path, key) for key in (None, web)] == [401, 403]
        write(file, web_line.line(), ops_line.line())
        wait_for(lambda: status("/metrics", ops) == 200)
        told = error(api.get("/v1/model", headers={"X-API-Key": ops}), 403, "forbidden")
        assert "'ops'" in told["message"]
        assert "'recommend'" in told["message"]
        assert [status(path, None) for path in ("/healthz", "/readyz")] == [200, 200]
        text = api.get("/metrics", headers={"X-API-Key": ops}).text
        assert 'mos_serving_key_requests_total{key="web",status="200"} 1.0' in text
        assert web not in text
        write(file, ops_line.line())
        wait_for(lambda: status("/v1/model", web) == 401)
        file.unlink()
        wait_for(lambda: "mos_serving_stale_keys_info 1.0" in api.get("/metrics", headers={"X-API-Key": ops}).text)


def test_a_store_that_fails_costs_the_profile_not_the_answer() -> None:
    store = FakeStore(ANNA)
    with client(store=store) as api:
        store.error = "no route to Redis"
        body = {"user_id": "anna", "k": 1, "events": [{"item_id": "now", "timestamp": T}]}
        for sent, source in ((body, "model"), ({"user_id": "anna"}, "popularity")):
            answer = api.post("/v1/recommend", json=sent)
            assert answer.status_code == 200
            assert answer.json()["fallback"] == {"source": source, "reason": "store_unavailable"}
        assert "no route to Redis" in error(api.get("/readyz"), 503, "not_ready")["message"]
        assert api.get("/healthz").status_code == 200
        store.error = None
        wait_for(lambda: api.get("/readyz").status_code == 200)
        assert api.post("/v1/recommend", json=body).json()["fallback"] is None
        assert 'mos_serving_fallbacks_total{reason="store_unavailable"} 2.0' in api.get("/metrics").text


def test_without_a_model_it_says_what_it_waits_for() -> None:
    registry = FakeRegistry(None)
    service = make_service(registry=registry, limits=Limits(refresh=0.02))
    with TestClient(create_app(service, settings=Settings())) as api:
        for method, path in (("POST", "/v1/recommend"), ("GET", "/v1/model"), ("GET", "/readyz")):
            answer = api.request(method, path, json={"user_id": "anna"} if method == "POST" else None)
            assert "mos train" in error(answer, 503, "not_ready")["message"]
            assert answer.headers["retry-after"] == "1"
        assert "mos train" in "".join(api.get("/healthz").json()["details"])
        registry.version = "m1"
        wait_for(lambda: api.get("/readyz").status_code == 200)
        assert api.post("/v1/recommend", json={"user_id": "anna"}).status_code == 200
        assert api.get("/healthz").json() == {"program": "serve", "status": "alive", "details": []}


def test_a_fault_of_ours_is_logged_and_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    model = FakeRecommender()
    model.poison = "bad"
    with client(model=model) as api, caplog.at_level(logging.ERROR, logger="serving"):
        told = error(api.post("/v1/recommend", json={"user_id": "bad"}), 500, "internal")
        assert api.post("/v1/recommend", json={"user_id": "good"}).status_code == 200
    (request_id,) = re.findall("[0-9a-f]{32}", told["message"])
    assert request_id in caplog.text
    assert "ValueError: poison" in caplog.text
    assert "poison" not in told["message"]


def test_a_fault_of_ours_is_logged_under_the_name_that_the_request_brought(caplog: pytest.LogCaptureFixture) -> None:
    model = FakeRecommender()
    model.poison = "bad"
    with client(model=model) as api, caplog.at_level(logging.ERROR, logger="serving"):
        told = error(api.post("/v1/recommend", json={"user_id": "bad", "request_id": "mine\n"}), 500, "internal")
    assert "mine" in told["message"]
    assert "request 'mine\\n'" in caplog.text


def test_an_answer_that_cannot_be_written_fails_its_request_and_no_other() -> None:
    model = FakeRecommender()
    with client(model=model) as api:
        labels = model.router.labels
        model.router.labels = []
        error(api.post("/v1/recommend", json={"user_id": "u"}), 500, "internal")
        model.router.labels = labels
        assert api.post("/v1/recommend", json={"user_id": "u"}).status_code == 200


def test_too_many_requests_at_once_are_told_when_to_retry() -> None:
    with client(max_pending=2) as api:
        refused = api.post("/v1/recommend/batch", json={"requests": [{"user_id": "u"}] * 3})
        assert "0 requests are waiting already" in error(refused, 503, "overloaded")["message"]
        assert int(refused.headers["retry-after"]) >= 1
        assert api.post("/v1/recommend/batch", json={"requests": [{"user_id": "u"}] * 2}).status_code == 200


def test_the_model_in_service_is_told(api: TestClient) -> None:
    body = api.get("/v1/model").json()
    assert (body["model_version"], body["router_version"]) == ("m1", "r-m1")
    assert body["themes"][2] == {"theme": 2, "label": "cameras"}
    assert (body["router_epoch"], body["router_sequence"]) == ("r-0", 0)
    assert body["mixing_clicks"] == 0
    assert abs(body["loaded_at"] - time.time() * 1000) < 600_000


def test_requests_are_counted_by_path_and_status() -> None:
    with client() as api:
        api.post("/v1/recommend", json={"user_id": "u"})
        api.post("/v1/recommend", content=b"")
        api.get("/no/such/path")
        response = api.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert 'mos_serving_requests_total{route="/v1/recommend",status="200"} 1.0' in lines
    assert 'mos_serving_requests_total{route="/v1/recommend",status="400"} 1.0' in lines
    assert 'mos_serving_requests_total{route="none",status="404"} 1.0' in lines
    assert 'mos_serving_request_duration_seconds_count{route="/v1/recommend"} 2.0' in lines
    assert 'mos_serving_model_info{model_version="m1",router_version="r-m1"} 1.0' in lines
    assert "mos_serving_batch_queries_count 1.0" in lines
    assert "mos_serving_store_read_duration_seconds_count 1.0" in lines


@pytest.mark.parametrize("api_key", [None, "secret"])
def test_the_openapi_document_is_valid_and_lists_every_path(api_key: str | None) -> None:
    with client(settings=Settings(api_key=api_key)) as api:
        sent = api.get("/openapi.json").json()
        OpenAPI.model_validate(sent)
        routes = {route.path for route in api.app.routes}  # type: ignore[attr-defined]
    assert set(sent["paths"]) == routes - {"/openapi.json", "/docs"}
    references = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(sent))
    assert set(references) <= set(sent["components"]["schemas"])
    assert ("securitySchemes" in sent["components"]) == (api_key is not None)


def test_the_example_of_the_document_works(api: TestClient) -> None:
    for path in ("/v1/recommend", "/v1/recommend/batch"):
        operation = api.get("/openapi.json").json()["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]["example"]
        assert api.post(path, json=body).status_code == 200


def test_the_reference_page_needs_no_internet(api: TestClient) -> None:
    html = api.get("/docs").text
    assert "POST /v1/recommend/batch" in html
    assert not re.search(r"https?://|<script", html)
    targets = set(re.findall(r'id="(\w+)"', html))
    assert set(re.findall(r'href="#(\w+)"', html)) <= targets
    assert "<code>fallback</code> says" in html
    assert "`" not in html


def test_the_reference_page_shows_text_and_runs_none() -> None:
    schema = {"description": "`a` <b>", "properties": {"<i>": {"type": "string", "description": "<script>"}}}
    html = page(
        {
            "info": {"title": "<t>", "version": "1", "description": ""},
            "paths": {},
            "components": {"schemas": {"S": schema}},
        }
    )
    assert not re.search("<b>|<i>|<t>|<script>", html)
    assert "<code>a</code> &lt;b&gt;" in html


def test_the_trigger_says_whether_it_teaches_and_for_which_session_it_is() -> None:
    model = FakeRecommender("m1")
    with client(model=model) as api:
        for trigger in ("request", "session_closed", "test"):
            assert api.post("/v1/recommend", json={"user_id": trigger, "trigger": trigger}).status_code == 200
    asked = {query.user_id: (query.teaches, query.ahead) for batch in model.batches for query in batch}
    assert asked == {"request": (True, False), "session_closed": (True, True), "test": (False, False)}
