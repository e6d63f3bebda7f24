"""Ids of any type become text, in one way: 12, 12.0, "12" and "12.0" are the same id."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from mos_online.contracts.fields import MAX_ID
from mos_online.contracts.lenient import number_text

MISSING = ("", "nan", "null", "none", "<na>", "\\n")
"""Words for a missing value, in lower case, that programs write into tables; no id in any case of letters."""

_BLANK = [" ", "\t", "\n", "\r", "\v", "\f", "\u00a0", "\u2003", "\u3000", ".0"]
_WORD = ["N", "n", "\\"]
_ODD = [*_BLANK, *_WORD, "\x00"]
"""A text without any of these needs no rewriting, and is missing only if it is empty."""


class Ids(NamedTuple):
    """A column of ids.

    Attributes:
        text: the ids; null where there is none that can be used.
        faults: null where the id can be used; else ``missing``, ``long`` or ``unusable``. None: all can be used.
    """

    text: pl.Series
    faults: pl.Series | None


def id_text(column: pl.Series, missing: Collection[str] = ()) -> Ids:
    """Write a column of any type as ids.

    Whole numbers lose their fraction (also where they were written as text), other numbers have no exponent; blanks
    around a text are cut; leading zeros stay, since they are part of a text.

    Args:
        column: of any type.
        missing: the format's own words for a missing id, as it writes them, besides ``MISSING``.

    >>> id_text(pl.Series([12.0, 12.5, float("nan")])).text.to_list()
    ['12', '12.5', None]
    >>> id_text(pl.Series(["12.0", " 012", "x ", "NULL"])).text.to_list()
    ['12', '012', 'x', None]
    """
    found = as_text(column)
    if found is None:
        unusable = pl.Series([None if value is None else "unusable" for value in column], dtype=pl.String)
        return Ids(pl.Series([None] * len(column), dtype=pl.String), unusable.fill_null("missing"))
    lengths = found.str.len_bytes()
    shortest, longest = lengths.min(), lengths.max()
    plain = not found.null_count() and isinstance(longest, int) and longest <= MAX_ID and bool(shortest)
    odd = found.str.contains_any(_ODD).any()
    if plain and not odd and not missing:
        return Ids(found, None)
    text = _without_missing(_trimmed(found) if odd else found, missing, odd=odd)
    if plain and not text.null_count() and not text.str.contains("\x00", literal=True).any():
        return Ids(text, None)
    value = pl.col("text")
    fault = (
        pl.when(value.is_null())
        .then(pl.lit("missing"))
        .when(value.str.contains("\x00", literal=True))
        .then(pl.lit("unusable"))
        .when(value.str.len_chars() > MAX_ID)
        .then(pl.lit("long"))
    )
    judged = text.to_frame("text").with_columns(fault=fault)
    usable = judged.select(pl.when(pl.col("fault").is_null()).then(value))
    return Ids(usable.to_series().alias(column.name), judged["fault"])


def as_text(column: pl.Series) -> pl.Series | None:
    """Write every value of a column as text, numbers in their one way; None if its type holds more than one value.

    >>> as_text(pl.Series([1e20, -0.0, 0.5, None])).to_list()
    ['100000000000000000000', '0', '0.5', None]
    """
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind.is_nested() or kind in (pl.Object, pl.Binary):
        return None
    if kind.is_float() or kind == pl.Decimal:
        return _numbers(column)
    return column.cast(pl.String)


def _numbers(column: pl.Series) -> pl.Series:
    """Floats and decimals as text: whole numbers below 2^53 in one go, the others one by one."""
    numbers = column.cast(pl.Float64)
    whole = (numbers.floor() == numbers) & (numbers.abs() < 2.0**53)
    texts = numbers.cast(pl.Int64, strict=False).cast(pl.String)
    rest = (~whole & numbers.is_not_nan()).fill_null(value=False)
    if not rest.any():
        return texts.set(~whole.fill_null(value=True), None)
    values = column.filter(rest).unique().to_list()
    written = pl.Series([number_text(str(value)) or str(value) for value in values], dtype=pl.String)
    table = pl.DataFrame({"key": pl.Series(values, dtype=column.dtype), "written": written})
    joined = pl.DataFrame({"key": column, "text": texts, "rest": rest}).join(
        table, on="key", how="left", maintain_order="left"
    )
    text = pl.when(pl.col("rest")).then("written").when(pl.col("key").cast(pl.Float64).is_not_nan()).then("text")
    return joined.select(text.alias(column.name)).to_series()


def _trimmed(text: pl.Series) -> pl.Series:
    """Cut blanks, and the fraction of whole numbers; costs little where there is nothing to cut."""
    if not text.str.contains_any(_BLANK).any():
        return text
    text = text.str.strip_chars()
    if not text.str.contains(".0", literal=True).any():
        return text
    return text.str.replace(r"^-?0+\.0+$", "0").str.replace(r"^(-?[1-9]\d*)\.0+$", "$1")


def _without_missing(text: pl.Series, missing: Collection[str], *, odd: bool) -> pl.Series:
    """Put null in the place of words for a missing value."""
    absent = text == ""
    if odd and text.str.contains_any(_WORD).any():
        absent |= text.str.to_lowercase().is_in(MISSING)
    if missing:
        absent |= text.is_in(list(missing))
    return text.set(absent, None) if absent.any() else text
