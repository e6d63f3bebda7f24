"""JSON lines as a table: one object a line, of which the fields are columns, and nested ones are called ``user.id``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.found_values import found_columns
from simulator.datasets.json_lines import with_refused
from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head, TextFile


@dataclass(frozen=True, kw_only=True)
class Documents(Layout):
    """JSON lines of which any field may be missing in any line.

    Attributes:
        columns: the fields that are read; of an object inside an object ``user.id``.
        paths: column -> the names of the objects and of the field that lead to it.
        lists: whether a list is read, as JSON text; else a value that is one cannot be used.
    """

    columns: tuple[str, ...]
    paths: Mapping[str, tuple[str, ...]]
    lists: bool = False

    @property
    def shape(self) -> str:
        """What a file looks like, in words."""
        return f"one JSON object a line with {', '.join(self.columns)}"

    def chunks(self, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Take a file apart, block by block."""
        file, before = TextFile(path), 0
        shape = _Shape([self.paths[column] for column in self.columns])
        for block in file.blocks():
            yield self._frame(block.split(b"\n"), before, shape)
            before += block.count(b"\n")
            notes += [note for note in file.notes if note not in notes]

    def sample(self, head: Head) -> pl.DataFrame | None:
        """The first rows, or None if there are no lines."""
        shape = _Shape([self.paths[column] for column in self.columns])
        return self._frame([line.encode() for line in head.lines], 0, shape) if head.lines else None

    def _frame(self, lines: Sequence[bytes], before: int, shape: _Shape) -> pl.DataFrame:
        rows: list[int] = []
        documents: list[Any] = []
        refused: list[tuple[int, str]] = []
        for row, line in enumerate(lines, before + 1):
            if not line or line.isspace():
                continue
            rows.append(row)
            try:
                documents.append(shape.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                documents.append(shape.nothing)
                refused.append((row, line[:80].decode(errors="replace")))
        values = {
            column: [get(document) for document in documents]
            for column, get in zip(self.columns, shape.getters, strict=True)
        }
        if self.lists:
            values = {column: [_plain(value) for value in found] for column, found in values.items()}
        frame = found_columns(values).with_columns(row=pl.Series(rows, dtype=pl.Int64))
        return with_refused(frame, refused, "not_json")


def fields_of(beginning: Head) -> dict[str, tuple[str, ...]]:
    """The fields of the objects in the first lines, in the order in which they come, and the paths to them.

    Raises:
        DatasetError: there is no object.
    """
    paths: dict[tuple[str, ...], None] = {}
    for line in beginning.lines:
        try:
            paths |= dict.fromkeys(_paths(msgspec.json.decode(line)))
        except (msgspec.DecodeError, RecursionError):
            continue
    above = {path[:end] for path in paths for end in range(1, len(path))}  # objects in some lines, null in others
    fields = {".".join(path): path for path in paths if path not in above and not any(map(_UNREAD.search, path))}
    if not fields:
        raise DatasetError(
            f"{beginning.path} looks like JSON, but none of its first lines is an object with fields: write one "
            "object a line"
        )
    return fields


_UNREAD = re.compile(r'[\\"\x00-\x1f]')
"""Fields with such a character in their name are not read."""


def _paths(document: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in document.items() if isinstance(document, dict) else ():
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))
        else:
            yield *above, name


def _plain(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


class _Shape:
    """Reads only some fields of an object, and skips all others; one that is not there is None.

    Attributes:
        getters: take the fields out of what was read, in the order of the paths.
        nothing: what is read of an object without fields.
    """

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        names = list(dict.fromkeys(path[0] for path in paths))
        below = {name: [path[1:] for path in paths if path[0] == name and len(path) > 1] for name in names}
        shapes = {name: _Shape(deeper) for name, deeper in below.items() if deeper}
        kinds = [(f"f{at}", shapes[name].kind | None if name in shapes else Any, None) for at, name in enumerate(names)]
        rename = {f"f{at}": name for at, name in enumerate(names)}
        self.kind: Any = msgspec.defstruct("Document", kinds, rename=rename, gc=False)
        self.decode = msgspec.json.Decoder(self.kind).decode
        self.nothing = self.kind()
        self.getters: list[Callable[[Any], Any]] = []
        for path in paths:
            deeper = shapes[path[0]].getters[below[path[0]].index(path[1:])] if len(path) > 1 else None
            self.getters.append(_getter(f"f{names.index(path[0])}", deeper))


def _getter(attribute: str, deeper: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if deeper is None:
        return lambda document: getattr(document, attribute)
    return lambda document: None if (inner := getattr(document, attribute)) is None else deeper(inner)
