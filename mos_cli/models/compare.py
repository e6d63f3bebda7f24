"""Two versions side by side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from mos_cli.models.facts import Facts


def comparison_tables(first: Facts, second: Facts) -> Iterator[Table]:
    """A table for each kind of fact; a line whose two sides differ is bold."""
    for title in ("registry", "figures", "data", "config"):
        left, right = getattr(first, title), getattr(second, title)
        names = list(dict.fromkeys([*left, *right]))
        if names:
            yield _table(title, first, second, [(name, left.get(name, ""), right.get(name, "")) for name in names])
    themes = list(zip_longest(first.themes, second.themes, fillvalue=""))
    yield _table("themes", first, second, [(str(number), *pair) for number, pair in enumerate(themes, 1)])


def _table(title: str, first: Facts, second: Facts, rows: list[tuple[str, str, str]]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    for name in (title, first.version, second.version):
        table.add_column(name, overflow="fold")
    for name, left, right in rows:
        style = "" if left == right else "bold"
        table.add_row(Text(name), Text(left, style=style), Text(right, style=style))
    return table
