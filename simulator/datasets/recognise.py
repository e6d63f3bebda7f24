"""Which public format a file looks like, by its content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from simulator.datasets.format import Format
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
    alike = [one for one in layouts if one.layout.looks_like(found)]
    if alike:
        return alike
    # Nothing can be read as it stands; what has a header or values of its own is that format with times gone wrong.
    return [one for one in layouts if one.layout.telling and one.layout.fits(found)]


def looks_like(found: Head, formats: Mapping[str, Format]) -> str:
    """What a file looks like, in words, for the error about a file that is not of the format that was said."""
    if found.empty:
        return "it is empty"
    for known in formats.values():
        for layout in known.layouts:
            if layout.looks_like(found):
                return f"it looks like {layout.title} (--format {known.name})"
        for sibling in known.siblings:
            if sibling.matches(found):
                return f"it looks like {sibling.title}, {sibling.why}"
    if found.columns is not None:
        return f"it is a Parquet file with the columns {', '.join(found.columns)}"
    broken = broken_json(found.lines[0].encode()) if found.lines[0].startswith("{") else None
    return f"line 1 is {cut(found.lines[0])!r}" + (f", which is no JSON: {broken}" if broken else "")
