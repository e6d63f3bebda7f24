"""What a click says of itself is carried onward: to the sessions topic, envelopes, counts, routers and the service."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Click, Heartbeat, LateEvent, Session, SessionEvent, decode_clicks, encode
from mos_online.errors import ContractError
from mos_online.items.popularity import ItemPopularity
from mos_online.sessions import SessionConfig, Sessionizer
from serving.http.api import RecommendEvent, RecommendRequest, session_events
from serving.http.body import BodyReader
from serving.http.problem import Problem
from simulator.replay.envelopes import Envelope

CLICK = Click(
    event_id="e",
    user_id="u",
    item_id="i",
    timestamp=5,
    session_id="mine",
    request_id="r1",
    context={"category": ["jazz", "blues"], "sizes": [1, 2.5, None, True], "empty": [], "price": 3},
)
reader = BodyReader(RecommendRequest, limit=1000)
FIELDS = SessionEvent.__struct_fields__

odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def same(event: SessionEvent) -> bool:
    return all(getattr(event, name) == getattr(CLICK, name) for name in FIELDS)


def test_a_session_has_the_request_and_the_lists() -> None:
    sessionizer = Sessionizer(SessionConfig(gap=1000, lateness=0, min_timestamp=0), partition=0)
    sessionizer.process([CLICK], offset=0, arrived_at=5)
    (closed,) = sessionizer.process(Heartbeat(heartbeat=10_000), offset=1, arrived_at=10_000)
    (event,) = msgspec.json.decode(encode(closed), type=Session).events
    assert same(event)
    (late,) = sessionizer.process([CLICK], offset=2, arrived_at=10_001)
    assert msgspec.json.decode(encode(late), type=LateEvent).click == CLICK


def test_an_envelope_has_the_request_and_the_lists() -> None:
    assert decode_clicks(Envelope("u", 5, [CLICK, CLICK]).encode()) == [CLICK, CLICK]


def test_a_category_that_is_a_list_is_no_category() -> None:
    popularity = ItemPopularity(partition=0, half_life_ms=1000)
    popularity.observe(CLICK)
    assert popularity.snapshot(top=10).categories == [""]


def test_the_service_takes_the_request_and_the_lists() -> None:
    event = json.loads(encode(CLICK))  # a whole click, its user included
    request = reader.parse(json.dumps({"user_id": "u", "events": [event]}).encode())
    (taken,) = session_events(request.events)
    assert same(taken)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["user_id", "x", *(name for name in FIELDS if name != "event_id")]), odd),
    st.dictionaries(st.text(max_size=4), odd),
)
def test_an_event_over_http_means_what_the_same_click_means(extra: dict[str, Any], context: dict[str, Any]) -> None:
    event = {"event_id": 1.5, "item_id": "i", "timestamp": 5, "context": context} | extra
    stream: SessionEvent | str
    try:
        (stream,) = decode_clicks(json.dumps(event | {"user_id": 7}).encode())  # type: ignore[misc]
    except ContractError as error:
        stream = error.reason
    http: RecommendEvent | str
    try:
        (http,) = (
            BodyReader(RecommendRequest, limit=0).parse(json.dumps({"user_id": 7, "events": [event]}).encode()).events
        )
    except Problem as problem:
        http = problem.code
    if isinstance(stream, str) or isinstance(http, str):
        assert stream == http
    else:
        assert [getattr(stream, name) for name in FIELDS] == [getattr(http, name) for name in FIELDS]
