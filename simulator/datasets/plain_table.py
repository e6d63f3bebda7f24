"""Rows without quotes, split all at once where every one has the right number of fields."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

UNIT = "\x1f"
"""Stands for a separator of several characters."""


def plain_table(text: str, names: Sequence[str], separator: str, first: int) -> pl.DataFrame | None:
    r"""Split lines of a table whose fields are not quoted.

    Args:
        text: whole lines.
        names: of the fields.
        separator: between them.
        first: number of the first line.

    Returns:
        ``row`` (the number of the line) and the fields; None where this cannot be told so quickly: empty lines,
        another number of fields.

    >>> plain_table("1::a\n2::\n", ["n", "x"], "::", 5).rows(), plain_table("1,a\n2\n", ["n", "x"], ",", 1)
    ([(5, '1', 'a'), (6, '2', '')], None)
    """
    if len(separator) > 1:
        if UNIT in text:
            return None
        text, separator = text.replace(separator, UNIT), UNIT
    lines = text.count("\n") + (not text.endswith("\n"))
    if text.startswith("\n") or "\n\n" in text or text.count(separator) != (len(names) - 1) * lines:
        return None
    try:
        table = pl.read_csv(  # a surplus field is an error; where one is missing, the separators are too few
            text.encode(),
            separator=separator,
            quote_char=None,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    if len(table) != lines:
        return None
    return table.select(pl.int_range(first, first + lines, dtype=pl.Int64).alias("row"), pl.all())
