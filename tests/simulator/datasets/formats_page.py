"""The page of the public formats, from what is declared of them and from the files by which they are tested.

python -m tests.simulator.datasets.formats_page docs/formats.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from simulator.datasets import FORMATS, UNREADABLE
from simulator.datasets.format import Format
from simulator.datasets.layout import Layout
from simulator.datasets.parquet import ParquetTable
from simulator.datasets.report import REASONS
from simulator.datasets.times import unit_name
from tests.simulator.datasets.format_cases import CASES

HEAD = """# Files of public datasets

Every command that takes `--dataset` also reads the files of these publications, as their publishers distribute them:
packed with gzip or zstd or not. A file is recognised by its content; `--format` says what it is where it could be
several. `mos import` makes a [dataset folder](datasets.md) of such files, which is faster to read again. The lines
below are made up, and ⇥ stands for a tab. None of the datasets comes with this project, and each has terms of its own.

The times of some logs name no zone. They are taken as UTC, and the report says so; `--zone Europe/Copenhagen` names
another. Where all times are whole days, a session is a user's day.

Given a folder, a command reads the files of events that the table names, as one log. If files of items lie there, too,
the log gets titles and categories. `mos import` takes them as `--items`, too.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, *_table(), ""]
    for name, known in FORMATS.items():
        parts += _section(name, known)
    parts += ["## Not read\n", "| dataset | why |", "|---|---|"]
    parts += [
        f"| {sibling.title} | {sibling.why.removeprefix('which ').removeprefix('whose ')} |"
        for sibling in UNREADABLE.values()
    ]
    return "\n".join(parts) + "\n"


def _table() -> Iterator[str]:
    yield "| `--format` | publication | files of a folder | times | events |"
    yield "|---|---|---|---|---|"
    for name, known in FORMATS.items():
        files = ", ".join(f"`{pattern}`" for pattern in known.files)
        times = "; ".join(dict.fromkeys(_time(layout) for layout in known.layouts))
        events = ", ".join(dict.fromkeys(kind for layout in known.layouts for kind in _types(layout)))
        yield f"| [`{name}`](#{name}) | {known.title} | {files} | {times} | {events} |"


def _section(name: str, known: Format) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{known.title}: {known.source}.\n"
    for layout in known.layouts:
        yield f"**{layout.title}**: {_time(layout)}. A session is {layout.sessions}." + _further(layout) + "\n"
        yield from _example(name, layout)
    if known.one_by_one:
        yield "The files number their users apart, so they are read one by one.\n"
    if known.items:
        yield f"Items: {'; '.join(table.title for table in known.items)}.\n"
    if known.siblings:
        yield f"Known and not read: {'; '.join(f'{one.title}, {one.why}' for one in known.siblings)}.\n"


def _time(layout: Layout) -> str:
    if isinstance(layout, ParquetTable):
        return "datetimes without a zone"
    unit = f"`{layout.unit}`" if "%" in layout.unit else unit_name(layout.unit)
    if layout.zone is None:
        return unit
    days = "whole days" if layout.sessions.startswith("a user's day") else f"clock of {layout.zone}"
    return f"{unit}, {days}"


def _types(layout: Layout) -> list[str]:
    if layout.types:
        return list(dict.fromkeys(layout.types.values()))
    return [layout.event, "click"] if layout.value else [layout.event]


def _further(layout: Layout) -> str:
    words = f" Note: {layout.note}." if layout.note else ""
    if layout.types:
        words += f" Types: {', '.join(f'`{found}` is `{kept}`' for found, kept in layout.types.items())}."
    if layout.expected:
        shares = (f"up to {share:.1%} of its rows with {REASONS[why]}" for why, share in layout.expected.items())
        words += f" The publication is known to hold {' and '.join(shares)}, which are left out."
    return words


def _example(name: str, layout: Layout) -> Iterator[str]:
    """The first lines of a file that a test reads."""
    if isinstance(layout, ParquetTable):
        yield f"A Parquet file with the columns {', '.join(f'`{column}`' for column in layout.columns)}.\n"
        return
    case = next(case for case in CASES if (case.format, case.layout) == (name, layout.title))
    lines = [line if len(line) <= 140 else f"{line[:137]}..." for line in case.text.splitlines() if line][:3]
    yield "\n".join(["```text", *(line.replace("\t", " ⇥ ") for line in lines), "```\n"])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
