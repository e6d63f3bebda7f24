"""What is accepted from the click topic, and why the rest is not."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import MAX_MESSAGE_BYTES, Click, ClickEnvelope, Heartbeat, SessionEvent, decode_clicks, encode
from mos_online.errors import ContractError

CLICK: dict[str, Any] = {"event_id": "e", "user_id": "u", "item_id": "i", "timestamp": 5}
EVENT: dict[str, Any] = {"event_id": "e", "item_id": "i", "timestamp": 5}

ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256)
times = st.integers(0, 253_402_300_799_999)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
contexts = st.none() | st.dictionaries(ids, scalars | ids | st.lists(scalars | ids, max_size=3), max_size=3)
events = st.builds(
    SessionEvent,
    event_id=ids,
    item_id=ids,
    timestamp=times,
    event_type=ids,
    session_id=st.none() | ids,
    request_id=st.none() | ids,
    context=contexts,
)
clicks = st.builds(
    Click,
    event_id=ids,
    user_id=ids,
    item_id=ids,
    timestamp=times,
    event_type=ids,
    session_id=st.none() | ids,
    request_id=st.none() | ids,
    context=contexts,
)


def raw(message: object, **changes: object) -> bytes:
    return json.dumps(message | changes if isinstance(message, dict) else message).encode()


def without(field: str) -> bytes:
    return raw({name: value for name, value in CLICK.items() if name != field})


@settings(deadline=None)
@given(clicks)
def test_a_click_comes_back_as_it_was_sent(click: Click) -> None:
    assert decode_clicks(encode(click)) == [click]


@settings(deadline=None)
@given(ids, st.lists(events, min_size=1, max_size=4))
def test_an_envelope_is_its_clicks(user: str, inside: list[SessionEvent]) -> None:
    decoded = decode_clicks(encode(ClickEnvelope(user_id=user, clicks=inside)))
    assert isinstance(decoded, list)
    names = SessionEvent.__struct_fields__
    assert [click.user_id for click in decoded] == [user] * len(inside)
    assert [[getattr(click, name) for name in names] for click in decoded] == [
        [getattr(event, name) for name in names] for event in inside
    ]


@settings(deadline=None)
@given(times)
def test_a_heartbeat_comes_back_as_it_was_sent(moment: int) -> None:
    assert decode_clicks(encode(Heartbeat(heartbeat=moment))) == Heartbeat(heartbeat=moment)


def test_fields_we_do_not_know_are_no_fault() -> None:
    assert decode_clicks(raw(CLICK, colour="red", nested={"a": [1, {}]})) == [Click(**CLICK)]
    assert decode_clicks(raw({"user_id": "u", "sent": 1, "clicks": [EVENT | {"colour": "red"}]})) == [Click(**CLICK)]
    assert decode_clicks(raw({"heartbeat": 5, "from": "replay"})) == Heartbeat(heartbeat=5)


def test_defaults_of_a_short_click() -> None:
    (click,) = decode_clicks(raw(CLICK))  # type: ignore[misc]
    assert (click.event_type, click.session_id, click.request_id, click.context) == ("click", None, None, None)


MALFORMED = {
    "tombstone": (None, "empty"),
    "no bytes": (b"", "not_json"),
    "half a message": (raw(CLICK)[:-3], "not_json"),
    "two messages": (raw(CLICK) * 2, "not_json"),
    "plain text": (b"hello", "not_json"),
    "latin 1 in an id": (raw(CLICK).replace(b'"e"', b'"\xe9"'), "not_json"),
    "latin 1 in an id of an envelope": (
        raw({"user_id": "u", "clicks": [EVENT]}).replace(b'"e"', b'"\xe9"'),
        "not_json",
    ),
    "half a surrogate pair": (raw(CLICK).replace(b'"e"', b'"\\ud800"'), "not_json"),
    "array": (raw([CLICK]), "not_object"),
    "number": (b"17", "not_object"),
    "null": (b"null", "not_object"),
    "string": (b'"click"', "not_object"),
    "empty object": (b"{}", "invalid"),
    "no user": (without("user_id"), "invalid"),
    "no item": (without("item_id"), "invalid"),
    "no event id": (without("event_id"), "invalid"),
    "no timestamp": (without("timestamp"), "invalid"),
    "empty id": (raw(CLICK, item_id=""), "invalid"),
    "long id": (raw(CLICK, item_id="i" * 257), "invalid"),
    "boolean as an id": (raw(CLICK, user_id=True), "invalid"),
    "null as an id": (raw(CLICK, item_id=None), "invalid"),
    "list as an id": (raw(CLICK, event_id=[1]), "invalid"),
    "number of more digits than an id": (raw(CLICK, item_id=10**256), "invalid"),
    "number that would take gigabytes to write out": (raw(CLICK).replace(b'"i"', b"1e999999999"), "invalid"),
    "number with an exponent of many digits": (raw(CLICK).replace(b'"i"', b"1e" + b"9" * 30), "invalid"),
    "boolean as the request's id": (raw(CLICK, request_id=False), "invalid"),
    "long id of the request": (raw(CLICK, request_id="r" * 257), "invalid"),
    "timestamp as text": (raw(CLICK, timestamp="5"), "invalid"),
    "timestamp with a fraction": (raw(CLICK, timestamp=5.5), "invalid"),
    "timestamp before 1970": (raw(CLICK, timestamp=-1), "invalid"),
    "timestamp in microseconds": (raw(CLICK, timestamp=1_700_000_000_000_000), "invalid"),
    "context that is no object": (raw(CLICK, context=["a"]), "invalid"),
    "empty envelope": (raw({"user_id": "u", "clicks": []}), "invalid"),
    "long envelope": (raw({"user_id": "u", "clicks": [EVENT] * 1001}), "invalid"),
    "envelope without a user": (raw({"clicks": [EVENT]}), "invalid"),
    "envelope with a click that is no object": (raw({"user_id": "u", "clicks": [EVENT, 3]}), "invalid"),
    "envelope with a boolean as an id": (
        raw({"user_id": 1, "clicks": [EVENT | {"item_id": True}]}),
        "invalid",
    ),
    "envelope with one bad click": (raw({"user_id": "u", "clicks": [EVENT, EVENT | {"timestamp": -1}]}), "invalid"),
    "heartbeat as text": (raw({"heartbeat": "now"}), "invalid"),
    "heartbeat before 1970": (raw({"heartbeat": -1}), "invalid"),
}


@pytest.mark.parametrize(("message", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused_with_its_reason(message: bytes | None, reason: str) -> None:
    with pytest.raises(ContractError) as raised:
        decode_clicks(message)
    assert raised.value.reason == reason


@settings(deadline=None)
@given(
    st.binary(max_size=200) | clicks.map(encode).flatmap(lambda sent: st.integers(0, len(sent)).map(lambda n: sent[:n]))
)
def test_no_bytes_raise_anything_else(message: bytes) -> None:
    with contextlib.suppress(ContractError):
        decode_clicks(message)


def test_a_message_nested_without_end_is_refused() -> None:
    for opening in (b'{"a":', b"[", b'{"user_id":"u","clicks":[', b'{"heartbeat":['):
        with pytest.raises(ContractError):
            decode_clicks(opening * 30_000)


def test_the_largest_message_is_read_and_the_next_larger_is_not() -> None:
    padding = MAX_MESSAGE_BYTES - len(raw(CLICK, padding=""))
    assert decode_clicks(raw(CLICK, padding="x" * padding)) == [Click(**CLICK)]
    with pytest.raises(ContractError, match=str(MAX_MESSAGE_BYTES)) as raised:
        decode_clicks(raw(CLICK, padding="x" * (padding + 1)))
    assert raised.value.reason == "too_large"


def test_the_reason_names_the_field() -> None:
    with pytest.raises(ContractError, match="timestamp"):
        decode_clicks(raw(CLICK, timestamp="5"))
    with pytest.raises(ContractError, match=r"clicks\[1\]"):
        decode_clicks(raw({"user_id": "u", "clicks": [EVENT, {}]}))
