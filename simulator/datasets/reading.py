"""Reading files of a public format: the layout is found, then every row goes through the check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mos_online.errors import DatasetError
from simulator.dataset import Dataset
from simulator.datasets.assemble import assemble
from simulator.datasets.check import Check
from simulator.datasets.format import Format
from simulator.datasets.formats import FORMATS
from simulator.datasets.layout import Layout
from simulator.datasets.opening import head
from simulator.datasets.raw import RawRows, ReadOptions
from simulator.datasets.recognise import looks_like

MAX_REFUSED = 0.01
"""Share of the rows of a file that may be refused, unless the user says another."""

REMEDY = "Is it the file of another format, or a part of one?"


class Reading(NamedTuple):
    """A file, or a folder of files, that is about to be read.

    Attributes:
        files: in their order.
        layout: of all of them.
        check: for the rows.
    """

    files: list[Path]
    layout: Layout
    check: Check

    def rows(self) -> Iterator[RawRows]:
        """The rows of all files as found; memory does not grow with the files."""
        for file in self.files:
            yield from self.layout.rows(file)


def open_format(name: str, path: Path, options: ReadOptions, formats: Mapping[str, Format] = FORMATS) -> Reading:
    """Look at the files of a format.

    Args:
        name: of the format.
        path: of a file, or of a folder of files of one layout.
        options: of the user.
        formats: all there are.

    Raises:
        DatasetError: unknown format, no such file, or a file of another format.
    """
    known = formats.get(name)
    if known is None:
        raise DatasetError(f"unknown format {name!r}; allowed: {', '.join(formats)}")
    if not path.exists():
        raise DatasetError(f"{path} does not exist; give the path of a {name} file")
    files = known.files_of(path)
    if not files:
        raise DatasetError(f"{path} holds no {known.files}; give a file of {known.title}, or the folder of them")
    layouts = [_layout(known, file, formats) for file in files]
    for file, layout in zip(files, layouts, strict=True):
        if layout is not layouts[0]:
            raise DatasetError(
                f"{files[0].name} looks like {layouts[0].title}, {file.name} like {layout.title}: read them one by one"
            )
    check = layouts[0].check(options)
    check.report.session = layouts[0].sessions
    return Reading(files, layouts[0], check)


def load_file(name: str, path: Path, options: ReadOptions | None = None) -> Dataset:
    """Read files as their publisher distributes them; the format gives the dataset its name.

    Args:
        name: of the format.
        path: of a file, or of a folder of files.
        options: of the user.

    Raises:
        DatasetError: as ``open_format``; or too many rows cannot be used: says why, with the first row of each reason.
    """
    options = options or ReadOptions()
    reading = open_format(name, path, options)
    chunks = [reading.check.take(rows) for rows in reading.rows()]
    report = reading.check.report
    report.require(str(path), MAX_REFUSED if options.max_refused is None else options.max_refused, REMEDY)
    return assemble(name, chunks, report)


def _layout(known: Format, file: Path, formats: Mapping[str, Format]) -> Layout:
    found = head(file)
    layout = known.layout_of(found)
    if layout is not None:
        return layout
    if found.empty:
        raise DatasetError(f"{file} is empty")
    shapes = "; ".join(f"{layout.title}: {layout.shape}" for layout in known.layouts)
    raise DatasetError(f"{file} is no file of {known.title}: {looks_like(found, formats)}. Expected is {shapes}")
