"""Reading files of a public format: the layout is found, then every row goes through the check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mos_online.errors import DatasetError
from simulator.dataset import ITEM_COLUMNS, Dataset
from simulator.datasets.assemble import assemble
from simulator.datasets.check import Check
from simulator.datasets.format import Format
from simulator.datasets.formats import FORMATS
from simulator.datasets.layout import Layout
from simulator.datasets.opening import head
from simulator.datasets.raw import RawRows, ReadOptions
from simulator.datasets.recognise import layout_in, named_format

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
    known = named_format(name, formats)
    if not path.exists():
        raise DatasetError(f"{path} does not exist; give the path of a {name} file")
    files = known.files_of(path)
    if not files:
        named = " or ".join(known.files)
        raise DatasetError(f"{path} holds no {named}; give a file of {known.title}, or the folder of them")
    if known.one_by_one and len(files) > 1:
        raise DatasetError(
            f"{path} holds {_names(files)}: the files of {known.title} number their users apart, so they cannot be "
            f"one log. Read one of them: --format {name} --dataset {files[0]}"
        )
    layouts = [layout_in(known, head(file), formats) for file in files]
    if len(set(map(id, layouts))) > 1:
        raise DatasetError(_of_several(name, path, files, layouts))
    check = layouts[0].check(options)
    check.report.session = layouts[0].sessions
    return Reading(files, layouts[0], check)


def _of_several(name: str, path: Path, files: Sequence[Path], layouts: Sequence[Layout]) -> str:
    """The error about a folder whose files are of several layouts: which are which, and what to do."""
    titles = list(dict.fromkeys(layout.title for layout in layouts))
    held = {
        title: [file for file, layout in zip(files, layouts, strict=True) if layout.title == title] for title in titles
    }
    listed = "; ".join(f"{title}: {_names(those)}" for title, those in held.items())
    return (
        f"{path} holds files of several shapes, perhaps of several releases. {listed}. Read one of them: "
        f"--format {name} --dataset {files[0]}; or make one dataset of all, if no event is in two of them: "
        f"mos import {path} --format {name}"
    )


def _names(files: Sequence[Path]) -> str:
    few = ", ".join(file.name for file in files[:5])
    return few if len(files) <= 5 else f"{few} and {len(files) - 5} more"


def load_file(name: str, path: Path, options: ReadOptions | None = None) -> Dataset:
    """Read files as their publisher distributes them; the format gives the dataset its name.

    Args:
        name: of the format.
        path: of a file, or of a folder of files, whose files of items are read, too.
        options: of the user.

    Raises:
        DatasetError: as ``open_format``; or too many rows cannot be used: says why, with the first row of each reason.
    """
    options = options or ReadOptions()
    reading = open_format(name, path, options)
    report = reading.check.report
    report.allowed = MAX_REFUSED if options.max_refused is None else options.max_refused
    chunks = reading.check.all_of(reading.rows(), options)
    if options.strict:
        report.require(str(path), REMEDY)
    items = FORMATS[name].item_files_of(path) if path.is_dir() else None
    if items is None:
        return assemble(name, chunks, report)
    table, files = items
    report.notes.append(f"titles and categories are those of {', '.join(file.name for file in files)}")
    catalogue = table.read(files).select(list(ITEM_COLUMNS))
    return assemble(name, chunks, report, items=catalogue, strict=options.strict)
