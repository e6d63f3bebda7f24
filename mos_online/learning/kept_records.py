"""Reads all records of a learner's log, beside the learner that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mos_online.contracts import Outcome, Session
from mos_online.errors import DatasetError
from mos_online.learning.log_file import SUFFIX, LogFile

TRIES = 10
"""The learner may merge or remove a file while we open it; then we look again."""


def kept_records(folder: Path) -> Iterator[Session | Outcome]:
    """Sessions and outcomes in the order in which they were given out.

    Args:
        folder: of the log; without one there are no records.

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
            cells = file.cells()
            records = [known.record for cell in cells for known in cell.records]
        except FileNotFoundError:
            tries += 1
            if tries == TRIES:
                raise DatasetError(f"the files of {folder} change faster than they can be read: try again") from None
            continue
        tries = 0
        yield from islice(records, max(0, given - file.first), None)
        given = file.end


def _files(folder: Path) -> Iterator[LogFile]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield LogFile.of(path)
