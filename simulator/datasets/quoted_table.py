"""Rows with quoted fields, split all at once where they are written as they should be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

LONGEST_REST = 2**20
"""Characters of a row with line ends inside quotes. A quote that is never closed swallows no more than this."""


def quoted_table(
    text: str, names: Sequence[str], separator: str, first: int, *, last: bool
) -> tuple[pl.DataFrame, str] | None:
    """Split lines of a table whose fields may be quoted.

    Args:
        text: whole lines.
        names: of the fields.
        separator: between them, one character.
        first: number of the first line.
        last: whether nothing follows.

    Returns:
        ``row`` (the number of the line on which a row begins) and the fields, and the text at the end that belongs to
        a row whose end is still to come; None where this cannot be told so quickly: empty lines, quotes inside of
        fields, another number of fields.
    """
    end = len(text) if last else _end_of_rows(text)
    if len(text) - end > LONGEST_REST:
        return None
    rows = text[:end]
    if not rows:
        return pl.DataFrame(schema={"row": pl.Int64, **dict.fromkeys(names, pl.String)}), text
    block = rows.encode()
    if rows.startswith("\n") or "\n\n" in rows or _stray(block, separator):
        return None
    codes = [f"c{number}" for number in range(len(names) + 1)]  # one more: a field that should not be there
    header = f"{separator.join(codes)}\n".encode()
    try:
        table = pl.read_csv(
            header + block,
            separator=separator,
            infer_schema=False,
            truncate_ragged_lines=True,
            empty_string_is_null=True,
        )
    except pl.exceptions.PolarsError:
        return None
    surplus = table[codes[-1]].null_count() < len(table)
    if surplus or rows.count(separator) - _count(table, separator).sum() != (len(names) - 1) * len(table):
        return None
    line = pl.int_range(first, first + len(table), dtype=pl.Int64, eager=True).alias("row")
    if rows.count("\n") > len(table):
        line += _count(table, "\n").cum_sum().shift(1, fill_value=0)
    fields = table.drop(codes[-1]).fill_null("")
    return pl.DataFrame([line, *(fields[code].alias(name) for code, name in zip(codes, names, strict=False))]), text[
        end:
    ]


def _end_of_rows(text: str) -> int:
    """Where the last whole row ends: what follows it has an odd number of quotes."""
    if text.count('"') % 2 == 0:
        return len(text)
    end, quotes = len(text), 0
    while quotes % 2 == 0:
        start = text.rfind("\n", 0, end - 1) + 1
        quotes += text.count('"', start, end)
        end = start
    return end


def _stray(block: bytes, separator: str) -> bool:
    """Whether a quote is neither beside a separator or a line end nor beside another quote: it is part of a text."""
    letters = np.frombuffer(b"\n" + block + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(letters == ord('"'))
    edges = [ord(separator), ord("\n"), ord('"')]
    return bool((~np.isin(letters[quotes - 1], edges) & ~np.isin(letters[quotes + 1], edges)).any())


def _count(table: pl.DataFrame, text: str) -> pl.Series:
    """How often a text is inside the fields of each row."""
    counts = pl.all().str.count_matches(text, literal=True).fill_null(0).cast(pl.Int64)
    return table.select(pl.sum_horizontal(counts)).to_series()
