"""Columns of values that were decoded one by one, whatever their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from mos_online.contracts.fields import is_utf8


def found_columns(values: Mapping[str, Sequence[object]]) -> pl.DataFrame:
    """Make a frame of Python values.

    A column of one type keeps it. One of several types becomes text; what is no single value becomes a text with a NUL
    character, which no id may hold.

    >>> found_columns({"a": [1, 2], "b": [1, "x"]}).rows()
    [(1, '1'), (2, 'x')]
    """
    return pl.DataFrame({name: _series(column) for name, column in values.items()})


def _series(column: Sequence[object]) -> pl.Series:
    kinds = {type(value) for value in column} - {type(None)}
    if kinds <= {int} or kinds <= {float} or kinds <= {bool} or kinds <= {str}:
        try:
            return pl.Series(column, dtype=_DTYPES[next(iter(kinds), str)], strict=True)
        except (OverflowError, TypeError, UnicodeEncodeError, pl.exceptions.PolarsError):
            pass  # a number that is too large, or half a surrogate pair
    return pl.Series([_text(value) for value in column], dtype=pl.String)


_DTYPES: Mapping[type, type[pl.DataType]] = {int: pl.Int64, float: pl.Float64, bool: pl.Boolean, str: pl.String}


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if abs(value) < 10**300 else "1e300"
    text = value if isinstance(value, str) else f"\x00{type(value).__name__}"
    if is_utf8(text):
        return text
    return text.encode(errors="surrogatepass").decode(errors="replace").replace("\ufffd", "\x00")
