"""Files that tell of items, of any public format: recognised by their content, and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from simulator.datasets.format import Format
from simulator.datasets.formats import FORMATS
from simulator.datasets.opening import head


class Items(NamedTuple):
    """The items of a file.

    Attributes:
        title: the file, as its publisher names it.
        frame: as ``ItemTable.read`` returns it.
    """

    title: str
    frame: pl.DataFrame


def read_items(path: Path, formats: Mapping[str, Format] = FORMATS) -> Items | None:
    """Read a file of items of a public format; None: it is of none.

    Raises:
        DatasetError: it cannot be read, or none of its rows can be used.
    """
    found = head(path)
    tables = [table for known in formats.values() for table in known.items]
    fit = [table for table in tables if table.fits(found)]
    best = next((table for table in fit if table.layout.names(found)), next(iter(fit), None))
    return None if best is None else Items(best.title, best.read([path]))
