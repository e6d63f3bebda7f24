"""Tables without quotes are split at once only where every row has the right fields, and then as ``str.split`` does."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.datasets.plain_table import plain_table

NAMES = ("a", "b", "c")


@given(st.lists(st.text(alphabet='ab1é",:# \x00', max_size=9), max_size=8), st.sampled_from([",", "::"]), st.booleans())
@example(["1,2,3,", "4,5"], ",", False)
@example(["1,2,3", "4,5,6,", "7,8"], ",", True)
@example(["1::2:::", ",::,::,"], "::", True)
def test_fields_are_those_of_a_split_or_none(lines: list[str], separator: str, ended: bool) -> None:
    text = "\n".join(lines) + "\n" * ended
    split = [line.split(separator) for line in lines]
    right = bool(lines) and all(len(fields) == 3 for fields in split)
    found = plain_table(text, NAMES, separator, 7)
    if not right:
        assert found is None
    elif found is not None:  # as it is for well-formed text, which the next test says
        assert found.rows() == [(7 + at, *fields) for at, fields in enumerate(split)]


@pytest.mark.parametrize("separator", [",", "\t", "::"])
def test_what_is_written_as_it_should_be_is_split_at_once(separator: str) -> None:
    rows = [("1", "é", "x y"), ("", "", ""), (" 2", '"', "#")]
    text = "".join(separator.join(row) + "\n" for row in rows)
    found = plain_table(text, NAMES, separator, 1)
    assert found is not None
    assert found.rows() == [(1, *rows[0]), (2, *rows[1]), (3, *rows[2])]
