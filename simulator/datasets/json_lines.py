"""JSON, one object a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
        has: fields that every object of such a file has, whatever they hold; they tell files apart.
        has_not: fields that no object of such a file has.
    """

    fields: Sequence[str] = ()
    has: Sequence[str] = ()
    has_not: Sequence[str] = ()

    @property
    def shape(self) -> str:
        """What a file looks like, in words."""
        return f"one JSON object a line with {', '.join([self.user, self.item, self.time, *self.has])}"

    @property
    def telling(self) -> bool:
        """The names of the fields tell."""
        return True

    def chunks(self, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Take a file apart, block by block."""
        file, before, decoder = TextFile(path), 0, self._decoder()
        for block in file.blocks():
            yield self._decoded(block.split(b"\n"), before, decoder)
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
        needed = {self.user, self.item, self.time, *self.has} if self.adapt is None else set(self.has)
        return needed <= found.keys() and not found.keys() & set(self.has_not)

    def _decoder(self) -> msgspec.json.Decoder[Any]:
        named = [self.user, self.item, self.time, self.type, self.session, self.category, self.value]
        names = dict.fromkeys(name for name in (*(named if self.adapt is None else ()), *self.fields) if name)
        fields = [(f"f{at}", Value, None) for at in range(len(names))]
        kind = msgspec.defstruct(
            "Found", fields, rename=dict(zip((f[0] for f in fields), names, strict=True)), gc=False
        )
        return msgspec.json.Decoder(kind)

    def _decoded(self, lines: Sequence[bytes], before: int, decoder: msgspec.json.Decoder[Any]) -> pl.DataFrame:
        names = [field.encode_name for field in msgspec.structs.fields(decoder.type)]
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
        values = {name: [getattr(found, f"f{at}") for found in objects] for at, name in enumerate(names)}
        frame = found_columns(values).with_columns(row=pl.Series(rows, dtype=pl.Int64))
        return with_refused(frame, refused, "not_json")


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
