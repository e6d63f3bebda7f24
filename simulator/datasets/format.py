"""A public format: a publication, the layouts of its files, and the files of it that hold items or are not read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mos_online.errors import DatasetError
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head, head


class Sibling(NamedTuple):
    """Files that come with a publication and are not read.

    Attributes:
        title: the files, as their publisher names them.
        why: they hold no events that could be read.
        matches: whether a file is one of them.
    """

    title: str
    why: str
    matches: Callable[[Head], bool]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A publication whose files can be read as they are distributed.

    Attributes:
        name: for ``--format``; it also names the dataset.
        title: of the publication.
        source: who published it, and where it is described.
        layouts: of its files of events.
        items: its files of items, the one to be preferred first.
        siblings: its files that are known and not read.
        files: patterns of the names of the files of events that are read of a folder.
        one_by_one: its files cannot be one log, as they number their users apart.
    """

    name: str
    title: str
    source: str
    layouts: Sequence[Layout]
    items: Sequence[ItemTable] = ()
    siblings: Sequence[Sibling] = ()
    files: Sequence[str] = ("*",)
    one_by_one: bool = False

    def files_of(self, path: Path) -> list[Path]:
        """The file, or those of a folder in the order of their names, without files of items, hidden and empty ones."""
        if not path.is_dir():
            return [path]
        named = {file for pattern in self.files for file in path.glob(pattern)}
        return [file for file in _worth_reading(named) if not any(table.fits(head(file)) for table in self.items)]

    def item_files_of(self, folder: Path) -> tuple[ItemTable, list[Path]] | None:
        """The files of a folder that tell of items, and their shape; None: there are none."""
        heads = [_head(file) for file in _worth_reading(folder.iterdir())] if self.items else []
        for table in self.items:
            files = [found.path for found in heads if found is not None and table.fits(found)]
            if files:
                return table, files
        return None


def _worth_reading(files: Iterable[Path]) -> list[Path]:
    """Files in the order of their names, without hidden and empty ones."""
    return [file for file in sorted(files) if file.is_file() and not file.name.startswith(".") and file.stat().st_size]


def _head(file: Path) -> Head | None:
    """The beginning of a file, or None for a picture, an archive or whatever else lies in a folder."""
    try:
        return head(file)
    except DatasetError:
        return None


def first_line(pattern: str) -> Callable[[Head], bool]:
    """A test of files: the first line matches a pattern as a whole."""
    compiled = re.compile(pattern)
    return lambda head: bool(head.lines) and compiled.fullmatch(head.lines[0].strip()) is not None


def most_lines(pattern: str) -> Callable[[Head], bool]:
    """A test of files: more than half of the first lines match a pattern as a whole."""
    compiled = re.compile(pattern)
    return lambda head: 2 * sum(compiled.fullmatch(line) is not None for line in head.lines) > len(head.lines)
