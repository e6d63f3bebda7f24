"""JSON, one object a line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from simulator.datasets.found_values import found_columns
from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head, TextFile

Value = str | int | float | bool | None
"""What a field may hold; a list or an object there is refused."""


@dataclass(frozen=True, kw_only=True)
class JsonLines(Layout):
    """Files with one JSON object a line.

    Attributes:
        fields: that are read, besides the columns that the layout names.
        lists: those of all these fields that may hold lists; their values are joined by bars.
        optional: those of all these fields that an object may lack.
        has: fields that every object of such a file has, whatever they hold; they tell files apart.
        has_not: fields that no object of such a file has.
        each: the field that holds a list of objects, one for each event; empty: a line is an event.
        shared: with ``each``, the fields that are those of the line; all others are of its events.
    """

    fields: Sequence[str] = ()
    lists: Sequence[str] = ()
    optional: Sequence[str] = ()
    has: Sequence[str] = ()
    has_not: Sequence[str] = ()
    each: str = ""
    shared: Sequence[str] = ()

    @property
    def shape(self) -> str:
        """What a file looks like, in words."""
        return f"one JSON object a line with {', '.join(self._needed)}"

    @property
    def telling(self) -> bool:
        """The names of the fields tell."""
        return True

    @property
    def _needed(self) -> list[str]:
        """The fields that every line has."""
        if self.each:
            return [*self.shared, self.each, *self.has]
        own = (self.user, self.item, self.time) if self.adapt is None else ()
        return [*(name for name in own if name and name not in self.optional), *self.has]

    @property
    def _read(self) -> list[str]:
        """The fields that are read, wherever they are."""
        named = [self.user, self.item, self.time, self.type, self.session, self.category, self.value]
        return list(dict.fromkeys(name for name in (*(named if self.adapt is None else ()), *self.fields) if name))

    def chunks(self, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Take a file apart, block by block."""
        file, before, decoder = TextFile(path), 0, self._decoder()
        for block in file.blocks():
            yield self._block(block, before, decoder)
            before += block.count(b"\n")
            notes += [note for note in file.notes if note not in notes]

    def sample(self, head: Head) -> pl.DataFrame | None:
        """The rows of the first lines, or None if most of them are no such objects."""
        lines = [line.encode() for line in head.lines]
        good = sum(self._is_one(line) for line in lines)
        if not lines or 2 * good < len(lines):
            return None
        return self._decoded(lines, 0, self._decoder())

    def _is_one(self, line: bytes) -> bool:
        if broken_json(line) is not None:
            return False
        found = _objects.decode(line)
        return set(self._needed) <= found.keys() and not found.keys() & set(self.has_not)

    def _decoder(self) -> msgspec.json.Decoder[Any]:
        """A decoder of lines; with ``each`` its objects have the events in ``events``."""
        if not self.each:
            return msgspec.json.Decoder(self._struct(self._read))
        event = self._struct([name for name in self._read if name not in self.shared])
        return msgspec.json.Decoder(self._struct(self.shared, ("events", list[event], [])))  # type: ignore[valid-type]

    def _struct(self, names: Sequence[str], *further: tuple[str, Any, Any]) -> type[msgspec.Struct]:
        fields = [(f"f{at}", Any if name in self.lists else Value, None) for at, name in enumerate(names)]
        renamed = dict(zip((field[0] for field in fields), names, strict=True)) | {"events": self.each}
        return msgspec.defstruct("Found", [*fields, *further], rename=renamed, gc=False)

    def _block(self, block: bytes, before: int, decoder: msgspec.json.Decoder[Any]) -> pl.DataFrame:
        """The rows of a block: all at once, or line by line where a line is no object or has something beside it."""
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        # No object is of several such lines, because nothing that begins so can follow what ends so inside of one.
        whole = block.startswith(b"{") and block.endswith((b"}", b"}\n")) and block.count(b"}\n{") + 1 == lines
        try:
            objects = decoder.decode_lines(block) if whole else []
        except _NO_OBJECT:
            objects = []
        if len(objects) != lines:
            return self._decoded(block.split(b"\n"), before, decoder)
        return self._framed(objects, pl.int_range(before + 1, before + 1 + lines, dtype=pl.Int64, eager=True), [])

    def _decoded(self, lines: Sequence[bytes], before: int, decoder: msgspec.json.Decoder[Any]) -> pl.DataFrame:
        objects, rows, refused = [], [], []
        nothing = decoder.type()
        for row, line in enumerate(lines, before + 1):
            if not line or line.isspace():
                continue
            try:
                objects.append(decoder.decode(line))
            except _NO_OBJECT as error:
                objects.append(nothing)
                refused.append((row, f"{_words(error)}: {line[:80].decode(errors='replace')}"))
            rows.append(row)
        return self._framed(objects, pl.Series(rows, dtype=pl.Int64), refused)

    def _framed(self, objects: Sequence[Any], rows: pl.Series, refused: Sequence[tuple[int, str]]) -> pl.DataFrame:
        """The fields of objects, and the number of the line of each."""
        whole = self._columns(objects, self.shared if self.each else self._read)
        frame = found_columns(whole).with_columns(row=rows)
        if self.each:
            frame = self._with_events(frame, objects, {row for row, _ in refused})
        return with_refused(frame, refused, "not_json")

    def _with_events(self, frame: pl.DataFrame, objects: Sequence[Any], refused: Collection[int]) -> pl.DataFrame:
        """The events of lines beside what is shared by them; a line that is refused has a row of its own."""
        counts = pl.Series([len(found.events) for found in objects], dtype=pl.Int64)
        kept = frame.filter(frame["row"].is_in(list(refused)))
        at = pl.int_range(0, len(frame), dtype=pl.Int64, eager=True).repeat_by(counts).explode().drop_nulls()
        events = [event for found in objects for event in found.events]
        names = [name for name in self._read if name not in self.shared]
        inner = found_columns(self._columns(events, names))
        return pl.concat([frame[at].hstack(inner), kept], how="diagonal").sort("row", maintain_order=True)

    def _columns(self, objects: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
        columns = {name: [*map(attrgetter(f"f{at}"), objects)] for at, name in enumerate(names)}
        return {
            name: [joined(value) for value in column] if name in self.lists else column
            for name, column in columns.items()
        }


def joined(value: object) -> object:
    """The texts in a list, or in lists inside a list, joined by bars; what is no list stays as it is.

    >>> joined([["Home", "Kitchen"], ["Home"]]), joined([]), joined("Home")
    ('Home|Kitchen|Home', None, 'Home')
    """
    if not isinstance(value, list | tuple):
        return value
    texts = [str(part) for part in (joined(inner) for inner in value) if part is not None]
    return "|".join(texts) if texts else None


def broken_json(line: bytes) -> str | None:
    """Why a line is no JSON object, or None if it is one."""
    try:
        _objects.decode(line)
    except _NO_OBJECT as error:
        return _words(error)
    return None


def with_refused(frame: pl.DataFrame, refused: Sequence[tuple[int, str]], reason: str) -> pl.DataFrame:
    """Mark rows as refused.

    Args:
        frame: has ``row``.
        refused: numbers of rows, and what is shown of each.
        reason: for all of them.
    """
    if not refused:
        return frame
    marks = pl.DataFrame(refused, schema={"row": pl.Int64, "found": pl.String}, orient="row")
    return frame.join(marks.with_columns(refused=pl.lit(reason)), on="row", how="left", maintain_order="left")


def _words(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


_NO_OBJECT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])
