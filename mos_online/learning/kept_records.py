"""Reads all records of a learner's log, beside the learner that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mos_online.contracts import Outcome, Session
from mos_online.errors import DatasetError
from mos_online.learning.log_file import SUFFIX, LogFile
from mos_online.learning.order import Cell

TRIES = 10
"""The learner may merge or remove a file while we open it; then we look again."""


def kept_records(folder: Path) -> Iterator[Session | Outcome]:
    """Sessions and outcomes in the order in which they were given out; see ``kept_cells``."""
    return (known.record for cell in kept_cells(folder) for known in cell.records)


def kept_cells(folder: Path) -> Iterator[Cell]:
    """The cells in the order in which they were given out.

    Args:
        folder: of the log; without one there are none.

    Raises:
        DatasetError: files go faster than they can be read.
        OSError: the log cannot be read.
    """
    given, tries = 0, 0
    while True:
        try:
            file = next((one for one in _files(folder) if one.end > given), None)
            if file is None:
                return
            cells = list(file.cells())
        except FileNotFoundError:
            tries += 1
            if tries == TRIES:
                raise DatasetError(f"the files of {folder} change faster than they can be read: try again") from None
            continue
        tries, first = 0, file.first
        for cell in cells:
            records = cell.records[max(0, given - first) :]
            first += len(cell.records)
            if records:
                yield cell._replace(records=records)
        given = file.end


def _files(folder: Path) -> Iterator[LogFile]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield LogFile.of(path)
