"""What is to be imported: which format the files are of, or what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.check import Check
from simulator.datasets.format import Format
from simulator.datasets.formats import FORMATS
from simulator.datasets.layout import Layout
from simulator.datasets.opening import head
from simulator.datasets.raw import ReadOptions
from simulator.datasets.recognise import known_as, layout_in, named_format, recognise
from simulator.importing.columns import Asked, Columns
from simulator.importing.date_and_time import put_together
from simulator.importing.guess import guess
from simulator.importing.own import OwnFile, own_file

TABLE = "table"
"""The name, beside those of ``FORMATS``, of files that are of no public format."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file, and how it is read and judged. Files of one layout share their check."""

    path: Path
    layout: Layout
    check: Check


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be imported.

    Attributes:
        parts: the files in their order.
        name: of the format: one of ``FORMATS`` or ``TABLE``.
        described: what the files look like, in words.
        columns: what the columns mean; None for a public format, which says it.
        sample: the first rows, of all columns; None for a public format.
    """

    parts: Sequence[Part]
    name: str
    described: str
    columns: Columns | None = None
    sample: pl.DataFrame | None = None


def plan_import(paths: Sequence[Path], asked: Asked, options: ReadOptions, *, format_name: str | None = None) -> Plan:
    """Look at the beginning of the files.

    Args:
        paths: files, and folders whose files are meant.
        asked: what was said about the columns; if anything was, the files are of no public format.
        options: how they are to be read.
        format_name: the format that was said; None: it is recognised.

    Raises:
        DatasetError: a file does not exist or cannot be read; there is no such format; the files are of different
            formats, or of several; columns cannot be told.
    """
    known = None
    if format_name not in {None, TABLE}:
        known = named_format(str(format_name), FORMATS, TABLE)
        if asked:
            raise DatasetError(f"--format {format_name} says what the columns mean: leave out the options for columns")
    files = _files(paths, known)
    if known is None and format_name is None and not asked:
        known = _recognised(files)
    return _own(files, asked, options) if known is None else _public(files, known, options)


def _files(paths: Sequence[Path], known: Format | None) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DatasetError(f"{path} does not exist")
        if known is not None:
            files += known.files_of(path)
        elif path.is_dir():
            files += [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
        else:
            files.append(path)
    if not files:
        raise DatasetError(f"{paths[0]} holds no files" if paths else "no file was named")
    resolved = [file.resolve() for file in files]
    for file, real in zip(files, resolved, strict=True):
        if resolved.count(real) > 1:
            raise DatasetError(f"{file} is named twice; every event would be there twice")
    return files


def _recognised(files: Sequence[Path]) -> Format | None:
    """The public format of all files, or None if the first is of none.

    Raises:
        DatasetError: it may be of several, or the files are of different ones.
    """
    names: dict[str, Path] = {}
    for file in files:
        found = list(dict.fromkeys(each.format.name for each in recognise(file, FORMATS)))
        if len(found) > 1:
            raise DatasetError(
                f"{file} may be of several formats; say which: "
                + " or ".join(f"--format {name}" for name in [*found, TABLE])
            )
        if not found:
            _refuse_known(file)
        names.setdefault(found[0] if found else TABLE, file)
    if len(names) > 1:
        shown = "; ".join(f"{file} looks like {name}" for name, file in names.items())
        raise DatasetError(f"the files are of different formats: {shown}; import each by itself, or say --format")
    return FORMATS.get(next(iter(names)))


def _refuse_known(file: Path) -> None:
    """Refuse a file of a publication that holds no events."""
    known = known_as(head(file), FORMATS)
    if known is not None:
        raise DatasetError(f"{file} looks like {known}; if it is your own, say --format {TABLE}")


def _public(files: Sequence[Path], known: Format, options: ReadOptions) -> Plan:
    parts: list[Part] = []
    checks: dict[str, Check] = {}
    for file in files:
        try:
            layout = layout_in(known, head(file), FORMATS)
        except DatasetError as error:
            remedy = f"without --format it is recognised, and --format {TABLE} reads any table"
            raise DatasetError(f"{error}; {remedy}") from None
        check = checks.setdefault(layout.title, layout.check(options))
        parts.append(Part(path=file, layout=layout, check=check))
    titles = ", ".join(checks)
    return Plan(parts=parts, name=known.name, described=f"{known.title} ({titles})")


def _own(files: Sequence[Path], asked: Asked, options: ReadOptions) -> Plan:
    first = own_file(files[0])
    sample = first.sample()
    if sample.is_empty():
        raise DatasetError(f"{files[0]} holds no events")
    columns = guess(sample, asked, header=first.header)
    check = first.meaning(columns).check(options)
    parts = []
    for file in files:
        own: OwnFile = first if file == files[0] else own_file(file)
        parts.append(Part(path=file, layout=own.meaning(columns), check=check))
    if columns.together:
        sample = put_together(sample, *columns.together)
    return Plan(parts=parts, name=TABLE, described=first.described, columns=columns, sample=sample)


def unused_names(columns: Columns, found: Mapping[str, int]) -> list[str]:
    """New names of types that no event has: the types that were to be renamed did not occur."""
    return sorted({kept for kept in columns.renamed.values() if kept not in found})
