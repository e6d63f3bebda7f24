"""Which public format a file looks like, by its content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mos_online.errors import DatasetError
from simulator.datasets.format import Format
from simulator.datasets.formats.unreadable import UNREADABLE
from simulator.datasets.json_lines import broken_json
from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head, head
from simulator.datasets.report import cut


class Recognised(NamedTuple):
    """A format that a file looks like, and its layout there."""

    format: Format
    layout: Layout


def recognise(path: Path, formats: Mapping[str, Format]) -> list[Recognised]:
    """All formats that a file looks like; none if it looks like none.

    Raises:
        DatasetError: the file cannot be read.
    """
    found = head(path)
    layouts = [Recognised(known, layout) for known in formats.values() for layout in known.layouts]
    named = [one for one in layouts if one.layout.names(found)]
    alike = [one for one in named or layouts if one.layout.looks_like(found)]
    if alike:
        return alike
    # Nothing can be read as it stands; what has a header or values of its own is that format with times gone wrong.
    return [one for one in named or layouts if one.layout.telling and one.layout.fits(found)]


def named_format(name: str, formats: Mapping[str, Format], *others: str) -> Format:
    """The format of a name.

    Args:
        name: as the user wrote it.
        formats: all there are.
        others: further names that the user might have written.

    Raises:
        DatasetError: there is none, or it names a dataset of which no file can be read; says why.
    """
    if name in formats:
        return formats[name]
    if name in UNREADABLE:
        raise DatasetError(f"{UNREADABLE[name].title}, {UNREADABLE[name].why}: it cannot be read")
    raise DatasetError(f"unknown format {name!r}; allowed: {', '.join([*formats, *others])}")


def layout_in(known: Format, found: Head, formats: Mapping[str, Format]) -> Layout:
    """The layout that a file has in a format: one in which its rows make sense, else one whose columns it has.

    A file whose header is that of another format, or that looks like another file, does not have it.

    Raises:
        DatasetError: it has none; says what the file looks like.
    """
    named = [layout for one in formats.values() for layout in one.layouts if layout.names(found)]
    mine = [layout for layout in known.layouts if layout in named or not named]
    likely = next((layout for layout in mine if layout.looks_like(found)), None)
    if likely is None and known_as(found, formats) is None:
        likely = next((layout for layout in mine if layout.fits(found)), None)
    if likely is not None:
        return likely
    if found.empty:
        raise DatasetError(f"{found.path} is empty")
    shapes = "; ".join(f"{layout.title}: {layout.shape}" for layout in known.layouts)
    raise DatasetError(f"{found.path} is no file of {known.title}: {looks_like(found, formats)}. Expected is {shapes}")


def looks_like(found: Head, formats: Mapping[str, Format]) -> str:
    """What a file looks like, in words, for the error about a file that is not of the format that was said."""
    if found.empty:
        return "it is empty"
    if (known := known_as(found, formats)) is not None:
        return f"it looks like {known}"
    if found.columns is not None:
        return f"it is a Parquet file with the columns {', '.join(found.columns)}"
    broken = broken_json(found.lines[0].encode()) if found.lines[0].startswith("{") else None
    return f"line 1 is {cut(found.lines[0])!r}" + (f", which is no JSON: {broken}" if broken else "")


def known_as(found: Head, formats: Mapping[str, Format]) -> str | None:
    """The file of a public dataset that a file looks like, in words, or None."""
    layouts = [Recognised(known, layout) for known in formats.values() for layout in known.layouts]
    named = [one for one in layouts if one.layout.names(found)]
    for one in named or layouts:
        if one.layout.looks_like(found):
            return f"{one.layout.title} (--format {one.format.name})"
    for table in (table for known in formats.values() for table in known.items):
        if table.fits(found):
            return f"{table.title}, which has no events"
    siblings = (sibling for known in formats.values() for sibling in known.siblings)
    for sibling in (*siblings, *UNREADABLE.values()):
        if sibling.matches(found):
            return f"{sibling.title}, {sibling.why}"
    return None
