"""Whatever lies in a record is printed as one line that does nothing to a terminal."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.printing import json_line, printable
from tests.streams.poison import VALUES

BYTES = st.one_of(st.none(), st.binary(), st.text().map(str.encode), st.sampled_from(VALUES))


@given(BYTES)
def test_a_record_is_one_line_without_control_characters(data: bytes | None) -> None:
    for line in (printable(data), json_line(data)):
        assert all(unicodedata.category(character) != "Cc" for character in line)
        assert len(line.splitlines()) <= 1 or {"\u2028", "\u2029"} & set(line)


@given(st.one_of(st.none(), st.binary(), st.text().map(str.encode)))
def test_a_line_for_programs_is_json(data: bytes | None) -> None:
    json.loads(json_line(data))


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(), st.lists))
def test_json_stays_what_it_is(value: object) -> None:
    assert json.loads(json_line(json.dumps(value, ensure_ascii=False, indent=2).encode())) == value
