"""Python literals, one dictionary a line: what some publishers call JSON."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from simulator.datasets.found_values import found_columns
from simulator.datasets.json_lines import joined, with_refused
from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head, TextFile


@dataclass(frozen=True, kw_only=True)
class Literals(Layout):
    """Files with one dictionary a line.

    Attributes:
        fields: that are read, besides the columns that the layout names.
        lists: those of all these fields that may hold lists; their values are joined by bars.
        has: fields that every dictionary of such a file has; they tell files apart.
        has_not: fields that no dictionary of such a file has.
        each: the field that holds a list of dictionaries, one for each event; empty: a line is an event. What such a
            dictionary lacks is taken from the line.
    """

    fields: Sequence[str] = ()
    lists: Sequence[str] = ()
    has: Sequence[str] = ()
    has_not: Sequence[str] = ()
    each: str = ""

    @property
    def shape(self) -> str:
        """What a file looks like, in words."""
        return f"one Python literal a line with {', '.join(self._needed)}"

    @property
    def _needed(self) -> tuple[str, ...]:
        own = (self.user, self.each) if self.each else (self.user, self.item, self.time)
        return tuple(name for name in (*own, *self.has) if name)

    @property
    def telling(self) -> bool:
        """The names of the fields tell."""
        return True

    def chunks(self, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Take a file apart, block by block."""
        file, before = TextFile(path, block=2**20), 0
        for block in file.blocks():
            yield self._frame(block.decode().split("\n"), before)
            before += block.count(b"\n")
            notes += [note for note in file.notes if note not in notes]

    def sample(self, head: Head) -> pl.DataFrame | None:
        """The rows of the first lines, or None if most of them are no such dictionaries."""
        few = head.lines[:20]  # a line may be long
        good = sum(self._events(line) is not None for line in few)
        return self._frame(few, 0) if few and 2 * good >= len(few) else None

    def _frame(self, lines: Sequence[str], before: int) -> pl.DataFrame:
        named = [self.user, self.item, self.time, self.type, self.session, self.category, self.value, *self.fields]
        values: dict[str, list[object]] = {name: [] for name in named if name}
        rows: list[int] = []
        refused: list[tuple[int, str]] = []
        for row, line in enumerate(lines, before + 1):
            if not line.strip():
                continue
            events = self._events(line)
            if events is None:
                refused.append((row, line[:80]))
                events = [{}]
            for event in events:
                rows.append(row)
                for name, column in values.items():
                    value = event.get(name)
                    column.append(joined(value) if name in self.lists else value)
        frame = found_columns(values).with_columns(row=pl.Series(rows, dtype=pl.Int64))
        return with_refused(frame, refused, "not_literal")

    def _events(self, line: str) -> list[dict[str, Any]] | None:
        """The events of a line, or None if it is not of this layout."""
        found = literal(line)
        if found is None or not found.keys() >= set(self._needed) or found.keys() & set(self.has_not):
            return None
        if not self.each:
            return [found]
        events = found.pop(self.each)
        if not isinstance(events, list | tuple) or not all(isinstance(event, dict) for event in events):
            return None
        return [found | event for event in events]


def literal(line: str) -> dict[str, Any] | None:
    """The dictionary that a line holds, or None if it holds none.

    >>> literal("{'a': u'x'}"), literal("{'a': f()}"), literal("[1]")
    ({'a': 'x'}, None, None)
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)  # a backslash that escapes nothing
            found = ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
