"""How a text table is written: what separates its fields, and whether its first line names the columns."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.opening import Head
from simulator.datasets.times import recognise_unit

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
"""What is looked for -> the same in words."""


class Dialect(NamedTuple):
    """How a text table is written.

    Attributes:
        separator: of the fields.
        columns: names of the columns, each once; without a header their numbers, from 1.
        header: whether the first line names the columns.
    """

    separator: str
    columns: tuple[str, ...]
    header: bool

    @property
    def described(self) -> str:
        """In words."""
        names = "with a header" if self.header else "without a header"
        return f"fields separated by {SEPARATORS[self.separator]}, {names}"


def recognise_dialect(head: Head) -> Dialect:
    """Look at the first lines of a text table.

    Raises:
        DatasetError: nothing separates fields in the same way in most lines.
    """
    lines = head.lines
    ranked = []
    for separator in SEPARATORS:
        rows = _rows(lines, separator)
        width, count = Counter(len(row) for row in rows).most_common(1)[0] if rows else (0, 0)
        if width >= 2 and 10 * count >= 8 * len(rows):
            ranked.append((count / len(rows), width, separator, rows))
    if not ranked:
        raise DatasetError(
            f"{head.path} looks like no table: its lines have no commas, tabs, semicolons or bars between fields; the "
            f"first line is {lines[0][:80]!r}"
            if lines
            else f"{head.path} is empty"
        )
    _, width, separator, rows = max(ranked, key=lambda each: each[:2])
    first = split(lines[0], separator)
    if len(first) != width:
        raise DatasetError(
            f"{head.path}: line 1 has {len(first)} fields, most lines have {width}: {lines[0][:80]!r}; remove "
            "what is before the table"
        )
    header = _names_columns(first, rows[1:])
    names = first if header else [str(number) for number in range(1, width + 1)]
    return Dialect(separator, unique_names(names), header)


def _names_columns(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether the first line names the columns: none of its fields is a number or a time, no other line is the same."""
    words = [field.strip() for field in first]
    if len([word for word in words if word]) < len(words) - 1 or list(first) in [list(row) for row in others]:
        return False
    return not any(_is_value(word) for word in words if word)


def _is_value(word: str) -> bool:
    return word.replace(".", "", 1).removeprefix("-").isdigit() or recognise_unit(pl.Series([word])) is not None


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns without blanks around them; one that is empty or comes again is given a number.

    >>> unique_names(["", "user", "user", " item "])
    ('1', 'user', 'user.3', 'item')
    """
    found: list[str] = []
    for number, name in enumerate(names, 1):
        own = name.strip() or str(number)
        found.append(f"{own}.{number}" if own in found else own)
    return tuple(found)


def split(line: str, separator: str) -> list[str]:
    """The fields of one line."""
    return next(iter(_rows([line], separator)), [])


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The rows of some lines, of which quoted line ends join several; none if there are other line ends in fields."""
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return []
