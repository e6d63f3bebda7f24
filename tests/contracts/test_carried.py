"""What a click says of itself is carried onward: to the sessions topic, envelopes, counts, routers and the service."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import (
    Click,
    EventTypes,
    Heartbeat,
    LateEvent,
    Session,
    SessionEvent,
    decode_clicks,
    encode,
    with_user,
    without_user,
)
from mos_online.contracts.lenient import IDS
from mos_online.errors import ContractError
from mos_online.items.popularity import ItemPopularity
from mos_online.sessions import SessionConfig, Sessionizer
from serving.http.api import RecommendEvent, RecommendRequest, session_events
from serving.http.body import BodyReader
from serving.http.problem import Problem
from simulator.replay.envelopes import Envelope
from tests.serving.serving_doubles import bodies_of_any_time

SAMPLES = ("text", 7, 2.5, True, {"category": ["jazz", "blues"], "sizes": [1, 2.5, None, True], "empty": []}, ["text"])
"""A field gets the first of these that its type allows and that is not its default."""


def filled(**chosen: object) -> dict[str, Any]:
    """A click in which every field has a value of its own, as JSON. A field that is new in ``Click`` is in it too."""
    click: dict[str, Any] = {}
    for field in msgspec.structs.fields(Click):
        for sample in SAMPLES:
            value = f"{field.name} of the click" if sample == "text" else sample
            try:
                msgspec.convert(value, field.type)
            except msgspec.ValidationError:
                continue
            if value != field.default:
                click[field.name] = value
                break
        assert field.name in click, f"SAMPLES has no value for the field {field.name}"
    return click | chosen


NUMBERS = {name: 100 + place for place, name in enumerate(IDS)}
FORMS = {
    "ids are text": filled(),
    "ids are whole numbers": filled(**NUMBERS),
    "ids are numbers with a fraction": filled(**{name: number + 0.5 for name, number in NUMBERS.items()}),
    "one id is a number": filled(item_id=7),
}
CLICK = msgspec.convert(filled(), Click)
reader = BodyReader(RecommendRequest, bodies_of_any_time(), limit=2000)
FIELDS = SessionEvent.__struct_fields__

odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def text_of(sent: dict[str, Any]) -> Click:
    """The click that a message means: its ids as text."""
    return msgspec.convert(sent | {name: str(sent[name]) for name in IDS}, Click)


def same(event: SessionEvent, click: Click) -> bool:
    return all(getattr(event, name) == getattr(click, name) for name in FIELDS)


def test_every_id_of_a_click_may_be_a_number() -> None:
    ids = {field.name for field in msgspec.structs.fields(Click) if field.name.endswith("_id")}
    assert ids == set(IDS)


@pytest.mark.parametrize("sent", FORMS.values(), ids=FORMS.keys())
def test_a_click_loses_no_field_when_it_is_decoded(sent: dict[str, Any]) -> None:
    assert decode_clicks(json.dumps(sent).encode()) == [text_of(sent)]


@pytest.mark.parametrize("sent", FORMS.values(), ids=FORMS.keys())
def test_a_click_loses_no_field_in_an_envelope(sent: dict[str, Any]) -> None:
    inner = {name: value for name, value in sent.items() if name != "user_id"}
    message = json.dumps({"user_id": sent["user_id"], "clicks": [inner, inner]}).encode()
    assert decode_clicks(message) == [text_of(sent)] * 2


@pytest.mark.parametrize("sent", FORMS.values(), ids=FORMS.keys())
def test_a_click_loses_no_field_over_http(sent: dict[str, Any]) -> None:
    request = reader.parse(json.dumps({"user_id": "u", "events": [sent]}).encode())  # a whole click, its user included
    (taken,) = session_events(request.events, EventTypes.parse())
    assert same(taken, text_of(sent))


def test_an_event_without_its_user_and_with_it_again_is_the_click() -> None:
    assert with_user(without_user(CLICK), CLICK.user_id) == CLICK


def test_a_session_has_every_field() -> None:
    sessionizer = Sessionizer(SessionConfig(gap=1000, lateness=0, min_timestamp=0), partition=0)
    sessionizer.process([CLICK], offset=0, arrived_at=CLICK.timestamp)
    (closed,) = sessionizer.process(Heartbeat(heartbeat=10_000), offset=1, arrived_at=10_000)
    (event,) = msgspec.json.decode(encode(closed), type=Session).events
    assert same(event, CLICK)
    (late,) = sessionizer.process([CLICK], offset=2, arrived_at=10_001)
    assert msgspec.json.decode(encode(late), type=LateEvent).click == CLICK


def test_an_envelope_that_is_replayed_has_every_field() -> None:
    assert decode_clicks(Envelope(CLICK.user_id, 5, [CLICK, CLICK]).encode()) == [CLICK, CLICK]


def test_a_category_that_is_a_list_is_no_category() -> None:
    popularity = ItemPopularity(gap_ms=1000, partition=0, half_life_ms=1000)
    popularity.observe(CLICK, EventTypes.parse())
    assert popularity.snapshot(top=10).categories == [""]


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
        (http,) = reader.parse(json.dumps({"user_id": 7, "events": [event]}).encode()).events
    except Problem as problem:
        http = problem.code
    if isinstance(stream, str) or isinstance(http, str):
        assert stream == http
    else:
        assert [getattr(stream, name) for name in FIELDS] == [getattr(http, name) for name in FIELDS]
