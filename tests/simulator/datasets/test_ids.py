"""Ids of any type become one text."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts.lenient import number_text
from simulator.datasets.ids import MISSING, id_text

WHOLE = st.integers(-(2**53), 2**53)


def one(value: object, kind: pl.DataType | type[pl.DataType] | None = None) -> str | None:
    text: str | None = id_text(pl.Series([value], dtype=kind)).text[0]
    return text


@given(WHOLE)
def test_a_whole_number_is_one_id_whatever_its_type(number: int) -> None:
    spellings = [
        one(number, pl.Int64),
        one(float(number), pl.Float64),
        one(str(number)),
        one(f" {number}.0 "),
        one(f"{number}.000"),
        one(Decimal(number), pl.Decimal(38, 2)),
    ]
    assert set(spellings) == {str(number)}


@given(st.lists(WHOLE | st.none(), min_size=1), st.randoms())
def test_a_column_is_read_value_by_value(numbers: list[int | None], random: object) -> None:
    column = pl.Series(numbers, dtype=pl.Float64)
    assert id_text(column).text.to_list() == [None if n is None else str(n) for n in numbers]


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200))
def test_a_number_is_written_as_the_stream_writes_it(number: float) -> None:
    assert one(number, pl.Float64) == (number_text(str(number)) or str(number))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=256))
def test_a_text_loses_what_is_around_it_and_nothing_the_second_time(text: str) -> None:
    found = one(text)
    assert found is None or ((found in text or found == "0") and one(found) == found)
    assert found is not None or not text.strip() or text.strip().casefold() in MISSING


def test_leading_zeros_are_part_of_a_text() -> None:
    spelt = ["012", "0108775015", "00.0", "-0.0", "1.50", "012.0"]
    assert id_text(pl.Series(spelt)).text.to_list() == ["012", "0108775015", "0", "0", "1.50", "012.0"]


@pytest.mark.parametrize("word", ["", " ", "NaN", "nan", "NULL", "null", "None", "<NA>", "\\N", None])
def test_words_for_a_missing_value_are_missing(word: str | None) -> None:
    ids = id_text(pl.Series(["x", word], dtype=pl.String))
    assert ids.text.to_list() == ["x", None]
    assert ids.faults is not None
    assert ids.faults.to_list() == [None, "missing"]


def test_a_format_has_words_of_its_own() -> None:
    assert id_text(pl.Series(["NA", "?", "na"]), ["NA", "?"]).text.to_list() == [None, None, "na"]
    assert id_text(pl.Series(["NA"])).faults is None


def test_long_and_unusable_ids_are_told_apart() -> None:
    ids = id_text(pl.Series(["é" * 256, "é" * 257, "a\x00b", "x" * 1025, "ok"]))
    assert ids.faults is not None
    assert ids.faults.to_list() == [None, "long", "unusable", "long", None]
    assert ids.text.null_count() == 3


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([[1], None]),
        pl.Series([{"a": 1}, None]),
        pl.Series([b"\xff", None]),
        pl.Series([object(), None], dtype=pl.Object),
    ],
)
def test_what_holds_no_single_value_is_no_id(column: pl.Series) -> None:
    ids = id_text(column)
    assert ids.faults is not None
    assert ids.faults.to_list() == ["unusable", "missing"]


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["b", "a"])])
def test_categories_are_read_as_their_names(kind: pl.DataType) -> None:
    assert id_text(pl.Series(["a", "b", None], dtype=kind)).text.to_list() == ["a", "b", None]
