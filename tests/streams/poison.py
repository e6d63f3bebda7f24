"""Records that anybody who may write to a topic can send: bytes, structures, sizes, keys and headers of every kind."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st

from mos_online.contracts.fields import MAX_ID, MAX_MESSAGE_BYTES, MAX_SESSION_ID, MAX_TIME, MAX_VECTOR
from publishing.producer import Headers

DEEP = 200_000

VALUES = [
    *(b"null", b"true", b"-1", b"0", b"1.5", b"5.0", b'""', b"[]", b"{}", b'"text"', b'"\\u0000"', b"[[]]", b"[null]"),
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e-400", b"9" * 5000, b"-" + b"9" * 5000, b"0.1" * 3),
    *(b'"\\ud83d"', b'"\\udc00x"', b'"\xff\xfe"', b'"\xf0\x9f\x98\x80"', b"01", b"'a'", b"undefined", b"", b'"'),
    *(str(time).encode() for time in (MAX_TIME, MAX_TIME + 1, 2**31, 2**63 - 1, 2**63, 2**64)),
    *(b'"%b"' % (b"x" * size) for size in (MAX_ID, MAX_ID + 1, MAX_SESSION_ID, MAX_SESSION_ID + 1, 300_000)),
    *(b'"%b"' % ("\u20ac" * size).encode() for size in (MAX_ID, 100_000)),
    *(b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    *(b"[" + b",".join([b"1"] * size) + b"]" for size in (MAX_VECTOR, MAX_VECTOR + 1, 200_000)),
    *(b"[" + b",".join([b"{}"] * size) + b"]" for size in (1, 100_000)),
    b'{"a":1,"a":2}',
]
"""In place of any value of a message; most are JSON."""

WHOLE = [
    None,
    b"",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{",
    b"[" * DEEP,
    b"{}" * 10,
    b"x" * MAX_MESSAGE_BYTES,
]
WHOLE += [b"x" * (MAX_MESSAGE_BYTES + 1), b'{"x":"' + b"x" * (MAX_MESSAGE_BYTES - 8) + b'"}', b"\\" * 900_000]
WHOLE += [b'{"clicks":[' + b"{}," * 300_000 + b"{}]}", b'{"heartbeat":%d}' % MAX_TIME, b'{"heartbeat":1e3}']
"""In place of a whole message."""

KEYS = [None, b"", b"\x00", b"\xff\xfe", b"k" * 800_000, b"somebody else", "\u20ac".encode() * 300]
HEADER_VALUES = [None, b"", b"-1", b"soon", b"9" * 5000, str(MAX_TIME + 1).encode(), b"h" * 700_000, b"\xff", b"1.5"]
HEADER_NAMES = ["closable_at", "resent", "", "trace", "n\x00ul", "x" * 100_000, "\u20ac"]
TIMESTAMPS = [-1, 0, 1, 1_700_000_000_000, MAX_TIME, 2**63 - 1]
"""Of Kafka, written by the producer."""


class Poison(NamedTuple):
    """What of a good record is replaced."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int


def poison(good_key: bytes, good_value: bytes) -> st.SearchStrategy[Poison]:
    """A good record with other bytes, other fields, another key or other headers; it may still be a good one."""
    values: st.SearchStrategy[bytes | None] = st.one_of(
        mutations(good_value), st.sampled_from(WHOLE), st.binary(max_size=200), st.just(good_value)
    )
    headers = st.lists(st.tuples(st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES)), max_size=3)
    keys: st.SearchStrategy[bytes | None] = st.one_of(st.just(good_key), st.sampled_from(KEYS), st.binary(max_size=9))
    timestamps = st.sampled_from(TIMESTAMPS)
    return st.builds(Poison, key=keys, value=values, headers=headers.map(tuple), timestamp=timestamps)


@st.composite
def mutations(draw: st.DrawFn, good: bytes) -> bytes:
    """A valid message in which a value is another one, is missing, or is there twice."""
    message = json.loads(good)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(paths(message))))
        owner: Any = message
        for step in path[:-1]:
            owner = owner[step]
        what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if what == "remove":
            del owner[path[-1]]
        elif what == "add" and isinstance(owner, dict):
            owner["unknown"] = _Raw(draw(st.sampled_from(VALUES)))
        else:
            owner[path[-1]] = _Raw(draw(st.sampled_from(VALUES)))
    raw = _dumped(message)
    return b'{"user_id":"twice",' + raw[1:] if draw(st.integers(0, 9)) == 0 and raw.startswith(b'{"') else raw


class _Raw(str):
    """JSON, or not, that stands for itself."""

    raw: bytes

    def __new__(cls, raw: bytes) -> _Raw:
        found = super().__new__(cls, "raw")
        found.raw = raw
        return found


def _dumped(value: Any) -> bytes:
    if isinstance(value, _Raw):
        return value.raw
    if isinstance(value, dict):
        return b"{" + b",".join(json.dumps(name).encode() + b":" + _dumped(part) for name, part in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(_dumped, value)) + b"]"
    return json.dumps(value).encode()


def paths(value: Any, start: tuple[Any, ...] = ()) -> Any:
    """The way to every value inside a message."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in parts:
        yield (*start, step)
        yield from paths(part, (*start, step))
