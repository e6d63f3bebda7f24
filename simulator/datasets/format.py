"""A public format: a publication, the layouts of its files, and the files of it that hold no events."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head


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
        layouts: of its files.
        siblings: its files that are known and not read.
        files: pattern of the names of the files that are read of a folder.
    """

    name: str
    title: str
    source: str
    layouts: Sequence[Layout]
    siblings: Sequence[Sibling] = ()
    files: str = "*"

    def layout_of(self, head: Head) -> Layout | None:
        """The layout of a file: one whose rows make sense, else one whose columns it has; None: it has none."""
        likely = (layout for layout in self.layouts if layout.looks_like(head))
        return next(likely, None) or next((layout for layout in self.layouts if layout.fits(head)), None)

    def files_of(self, path: Path) -> list[Path]:
        """The file, or those of a folder in the order of their names, without hidden and empty ones."""
        if not path.is_dir():
            return [path]
        found = (file for file in sorted(path.glob(self.files)) if file.is_file() and not file.name.startswith("."))
        return [file for file in found if file.stat().st_size]


def first_line(pattern: str) -> Callable[[Head], bool]:
    """A test of files: the first line matches a pattern as a whole."""
    compiled = re.compile(pattern)
    return lambda head: bool(head.lines) and compiled.fullmatch(head.lines[0].strip()) is not None


def most_lines(pattern: str) -> Callable[[Head], bool]:
    """A test of files: more than half of the first lines match a pattern as a whole."""
    compiled = re.compile(pattern)
    return lambda head: 2 * sum(compiled.fullmatch(line) is not None for line in head.lines) > len(head.lines)
