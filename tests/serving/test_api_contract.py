"""What bodies are accepted, and what is said about the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import SESSION_END, EventTypes
from serving.http.api import BatchRequest, RecommendEvent, RecommendRequest, session_events
from serving.http.body import BodyReader
from serving.http.problem import Problem
from tests.serving.serving_doubles import bodies_of_any_time

one = BodyReader(RecommendRequest, bodies_of_any_time(), limit=1000)
many = BodyReader(BatchRequest, bodies_of_any_time(), limit=1000)


def refused(reader: BodyReader[Any], body: object) -> Problem:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Problem) as caught:
        reader.parse(raw)
    return caught.value


def test_defaults() -> None:
    request = one.parse(b'{"user_id": "u"}')
    assert (request.k, request.exclude, request.events, request.timestamp) == (10, [], [], None)


def test_limits_are_inclusive() -> None:
    event = {"item_id": "i", "timestamp": 0}
    body = {"user_id": "u" * 256, "k": 100, "exclude": ["x"] * 1000, "events": [event] * 500}
    assert one.parse(json.dumps(body).encode()).k == 100
    assert len(many.parse(json.dumps({"requests": [{"user_id": "u"}] * 64}).encode()).requests) == 64


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"user_id": "a" "k": 1}', b"\xff\xfe", b'{"user_id": "\xff"}', b"user_id=u"]
)
def test_not_json(raw: bytes) -> None:
    problem = refused(one, raw)
    assert (problem.status, problem.code) == (400, "not_json")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "u" * 257}, "user_id"),
        ({"user_id": True}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": "u", "k": 0}, "k"),
        ({"user_id": "u", "k": 101}, "k"),
        ({"user_id": "u", "k": "5"}, "k"),
        ({"user_id": "u", "k": 1.5}, "k"),
        ({"user_id": "u", "exclude": ["x"] * 1001}, "exclude"),
        ({"user_id": "u", "exclude": ["", "x"]}, "exclude"),
        ({"user_id": "u", "timestamp": -1}, "timestamp"),
        ({"user_id": "u", "events": [{"item_id": "i", "timestamp": 1}] * 501}, "events"),
        ({"user_id": "u", "events": [{"item_id": "i"}]}, "timestamp"),
        ({"user_id": "u", "events": [{"item_id": "i", "timestamp": 1, "context": [1]}]}, "context"),
        ({"user_id": "u", "events": [{"item_id": None, "timestamp": 1}]}, "item_id"),
        ({"user_id": 7, "exclude": [8, False]}, "exclude"),
    ],
)
def test_a_bad_field_is_named_and_explained(body: object, names: str) -> None:
    for reader, sent in ((one, body), (many, {"requests": [{"user_id": "ok"}, body]})):
        problem = refused(reader, sent)
        assert (problem.status, problem.code) == (422, "invalid")
        assert f"`{names}`" in problem.fix
        assert names in problem.message


@pytest.mark.parametrize(
    ("body", "name", "near"),
    [
        ({"user_id": "u", "users": 1}, "users", "user_id"),
        ({"user_id": "u", "exclud": []}, "exclud", "exclude"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_known_one(body: object, name: str, near: str) -> None:
    problem = refused(one, body)
    assert problem.status == 422
    assert f"`{name}`" in problem.message
    assert f"did you mean `{near}`?" in problem.fix


@pytest.mark.parametrize("body", [[], 3, "x", None, {"requests": []}, {"requests": [{"user_id": "u"}] * 65}])
def test_a_batch_is_an_object_with_1_to_64_requests(body: object) -> None:
    assert refused(many, body).status == 422


def test_an_event_later_than_the_moment_asked_for_is_refused() -> None:
    body = {"user_id": "u", "timestamp": 10, "events": [{"item_id": "i", "timestamp": t} for t in (9, 10, 11)]}
    problem = refused(many, {"requests": [body]})
    assert problem.status == 422
    assert "$.requests[0].events[2].timestamp" in problem.message


def test_every_field_of_a_request_explains_itself() -> None:
    for kind in (RecommendRequest, RecommendEvent, BatchRequest):
        fields = kind.__struct_fields__
        for name in fields:
            body = {"user_id": "u"} if kind is RecommendRequest else {}
            inner = {**body, name: {"wrong": object.__name__}} if name != "context" else {name: 3}
            sent = {"user_id": "u", "events": [inner]} if kind is RecommendEvent else inner
            problem = refused(many if kind is BatchRequest else one, sent)
            assert "see /openapi.json" not in problem.fix, name


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["user_id", "k", "events", "exclude", "item_id", "requests", "x"]), inner)
    ),
    max_leaves=20,
)


@given(anything | st.binary())
def test_whatever_is_sent_it_is_read_or_refused(value: object) -> None:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    for reader in (one, many):
        try:
            outcome: object = reader.parse(raw)
        except Problem as problem:
            outcome = problem
        if isinstance(outcome, Problem):
            assert outcome.status in {400, 422}
            assert outcome.fix
        else:
            assert isinstance(outcome, RecommendRequest | BatchRequest)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["click", "view", SESSION_END, "Impression"]))))
def test_session_events_are_in_order_complete_and_without_ends(given_events: list[tuple[int, str]]) -> None:
    events = [RecommendEvent(item_id=str(n), timestamp=t, event_type=e) for n, (t, e) in enumerate(given_events)]
    out = session_events(events, EventTypes.parse())
    assert [(e.timestamp, int(e.item_id)) for e in out] == sorted(
        (t, n) for n, (t, e) in enumerate(given_events) if e in ("click", "view")
    )
    assert len({event.event_id for event in out}) == len(out)
