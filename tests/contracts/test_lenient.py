"""Numbers as ids, deep contexts and unknown fields: no click is lost, and ids become text in one way."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mos_online.contracts import NOT_JSON, Click, ClickEnvelope, SessionEvent, decode_clicks, encode
from mos_online.contracts.codec import _click
from mos_online.contracts.lenient import LooseObject, number_text
from mos_online.errors import ContractError

CLICK: dict[str, Any] = {"event_id": "e", "user_id": "u", "item_id": "i", "timestamp": 5}
IDS = ("user_id", "event_id", "item_id", "session_id", "request_id")

text = st.text(st.characters(codec="utf-8"), max_size=10)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=12
)
unknown = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(
    lambda name: name not in {*IDS, "timestamp", "event_type", "context"}
)
numbers = (
    st.integers(-(2**70), 2**70).map(str)
    | (st.floats(1e-200, 1e200) | st.floats(-1e200, -1e-200)).map(repr)
    | st.tuples(st.integers(-(10**6), 10**6), st.integers(-20, 20)).map(lambda pair: f"{pair[0]}e{pair[1]}")
)
ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)


def decoded(raw: bytes) -> Click:
    (click,) = decode_clicks(raw)  # type: ignore[misc]
    return click


def json_with(fields: dict[str, str]) -> bytes:
    """A JSON object whose values are written as given."""
    return ("{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in fields.items()) + "}").encode()


@settings(deadline=None)
@given(st.dictionaries(unknown | st.sampled_from(["clicks", "heartbeat"]), anything, max_size=4), st.booleans())
@example({"clicks": [{"event_id": "x", "item_id": "y", "timestamp": 1}]}, True)
@example({"heartbeat": 5}, True)
def test_unknown_fields_lose_no_click(extra: dict[str, Any], numbered: bool) -> None:
    sent = CLICK | ({"user_id": 12.0} if numbered else {})
    expected = Click(**CLICK | ({"user_id": "12"} if numbered else {}))
    assert decode_clicks(json.dumps(extra | sent).encode()) == [expected]
    assert decode_clicks(json.dumps(sent | extra).encode()) == [expected]


@settings(deadline=None)
@given(st.dictionaries(text, anything, max_size=4))
def test_every_value_of_a_context_is_kept(context: dict[str, Any]) -> None:
    kept = decoded(json.dumps(CLICK | {"context": context}).encode()).context
    assert kept is not None
    assert set(kept) == set(context)
    for name, value in context.items():
        flat = not isinstance(value, dict | list) or (
            isinstance(value, list) and not any(isinstance(inner, dict | list) for inner in value)
        )
        found = kept[name]
        assert (found if flat else json.loads(str(found))) == value
        assert type(found) is (type(value) if flat else str)


@settings(deadline=None)
@given(st.dictionaries(text, anything, max_size=4), numbers)
def test_what_is_decoded_once_is_stable(context: dict[str, Any], number: str) -> None:
    fields = {name: json.dumps(value) for name, value in (CLICK | {"context": context}).items()}
    click = decoded(json_with(fields | {"item_id": number}))
    assert decoded(encode(click)) == click
    event = SessionEvent(**{name: getattr(click, name) for name in SessionEvent.__struct_fields__})
    assert decode_clicks(encode(ClickEnvelope(user_id=click.user_id, clicks=[event]))) == [click]


@settings(deadline=None)
@given(numbers, numbers)
@example("12", "12.0")
@example("12345678901234567890", "12345678901234567890.0")
@example("12345678901234567890", "12345678901234567891.0")
@example("0", "-0.0")
def test_numbers_have_one_text_each_and_no_two_share_one(first: str, second: str) -> None:
    one, other = number_text(first), number_text(second)
    assert one is not None
    assert other is not None
    assert Decimal(one) == Decimal(first)
    assert (one == other) == (Decimal(first) == Decimal(second))
    assert number_text(one) == one


@pytest.mark.parametrize(("number", "expected"), [("12", "12"), ("12.0", "12"), ("12.5", "12.5"), ("1e3", "1000")])
@pytest.mark.parametrize("field", IDS)
def test_a_number_is_an_id(field: str, number: str, expected: str) -> None:
    fields = {name: json.dumps(value) for name, value in CLICK.items()} | {field: number}
    assert getattr(decoded(json_with(fields)), field) == expected
    user = fields.pop("user_id")
    envelope = json_with({"user_id": user, "clicks": f"[{json_with(fields).decode()}]"})
    assert getattr(decoded(envelope), field) == expected


@settings(deadline=None)
@given(st.fixed_dictionaries({name: ids | st.integers(-(2**65), 2**65) for name in IDS}), st.integers(0, 10**12))
def test_the_quick_reader_of_whole_numbers_agrees_with_the_rewriting(found: dict[str, Any], timestamp: int) -> None:
    raw = json.dumps(found | {"timestamp": timestamp, "context": {"sizes": [1, "x"]}}).encode()
    assert decode_clicks(raw) == [_click.decode(LooseObject(raw).rewritten())]


@settings(deadline=None)
@given(st.sampled_from(IDS), st.booleans() | st.lists(st.integers()) | st.dictionaries(text, text))
def test_what_is_neither_text_nor_number_is_no_id(field: str, value: object) -> None:
    with pytest.raises(ContractError, match=field) as raised:
        decode_clicks(json.dumps(CLICK | {field: value}).encode())
    assert raised.value.reason == "invalid"


def test_the_optional_ids_may_be_null_and_the_others_may_not() -> None:
    assert decode_clicks(json.dumps(CLICK | {"session_id": None, "request_id": None}).encode()) == [Click(**CLICK)]
    for field in ("user_id", "event_id", "item_id"):
        with pytest.raises(ContractError, match=field):
            decode_clicks(json.dumps(CLICK | {field: None}).encode())


def test_an_emoji_cut_in_two_loses_no_click_but_is_no_id() -> None:
    half = {"context": {"query": "a\ud83d", "\udc00": 1, "nested": [["\ud83d"]]}, "other": "\ud83d\ud83d\ude00"}
    context = decoded(json.dumps(CLICK | half).encode()).context
    assert context == {"query": "a�", "�": 1, "nested": '[["\\ufffd"]]'}
    whole = decoded(json.dumps(CLICK | {"context": {"q": "\\ud83d \U0001f600 \\\\"}}).encode())
    assert whole.context == {"q": "\\ud83d \U0001f600 \\\\"}
    for field in IDS:
        with pytest.raises(ContractError) as raised:
            decode_clicks(json.dumps(CLICK | {field: "a\ud83d"}).encode())
        assert raised.value.reason == "not_json"
    assert decoded(json.dumps(CLICK | {"user_id": "a\ufffd", "context": {"a": {}}}).encode()).user_id == "a\ufffd"


def test_a_number_that_no_float_holds_is_kept_as_its_text() -> None:
    raw = json.dumps(CLICK | {"context": {"a": "?", "b": ["?", 1]}}).encode().replace(b'"?"', b"1e999")
    assert decoded(raw).context == {"a": "1e999", "b": "[1e999, 1]"}


@settings(deadline=None)
@given(st.sampled_from(IDS), anything)
def test_an_oddity_never_hides_what_is_wrong(field: str, value: object) -> None:
    raw = json.dumps(CLICK | {field: value, "timestamp": "soon"}).encode()
    with pytest.raises(ContractError) as raised:
        decode_clicks(raw)
    assert raised.value.reason == "invalid"


@settings(deadline=None)
@given(st.binary(max_size=100) | anything.map(lambda value: json.dumps(value).encode()))
def test_rewriting_gives_json_or_says_that_there_was_none(raw: bytes) -> None:
    try:
        rewritten = LooseObject(raw).rewritten("clicks", "events")
    except NOT_JSON:
        return
    assert isinstance(msgspec.json.decode(rewritten), dict)
    assert LooseObject(rewritten).rewritten("clicks", "events") == rewritten
