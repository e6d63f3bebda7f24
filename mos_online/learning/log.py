"""The learner's log: sessions and outcomes in the order in which they were given out, on the local disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from mos_online.learning.log_file import SUFFIX, LogFile, table_of, write_file
from mos_online.learning.order import Cell, Source

MERGED = 16
"""So many small files are merged into one."""

SMALL = 20_000
"""Records of a file that is not merged any more."""

DAY = 86_400_000

log = logging.getLogger(__name__)


class LearningLog:
    """Files of records, each named by the number of its first one; for one writer, and any number of readers.

    A file appears whole or not at all, and says from which offsets reading goes on. So after a crash nothing is
    missing and nothing is there twice: what was not written is read again, and what is written again has the same name.
    Small files are merged under the name of the first; a file whose records are in the one before is removed.

    Attributes:
        offsets: where the next record of each partition is read.
        event_time: end of the last cell, ms; -1 while the log is empty.
        next: the number of the next record.
    """

    def __init__(self, folder: Path, *, days: float, megabytes: int) -> None:
        """Open a log, or begin one.

        Args:
            folder: of its files.
            days: files that are older than this, in event time, are removed.
            megabytes: the oldest files are removed if all are larger than so many MiB; the newest stays.
        """
        self._folder = folder
        self._days = days
        self._most_bytes = megabytes * 2**20
        self.offsets: dict[Source, int] = {}
        self.event_time = -1
        self.next = 0
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob("*.draft"):
            draft.unlink()
        self._files = self._whole_files()
        for file in self._files:
            self.offsets.update(file.offsets)
            self.event_time = max(self.event_time, file.newest)
            self.next = file.end

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(file.rows for file in self._files)

    @property
    def bytes(self) -> int:
        """Their size on the disk."""
        return sum(file.bytes for file in self._files)

    def append(self, cells: Sequence[Cell], offsets: dict[Source, int]) -> None:
        """Add cells; when this returns, they survive any crash.

        Args:
            cells: at least one.
            offsets: where the next record of each partition is read when these are known.

        Raises:
            OSError: they cannot be written.
        """
        self.offsets = dict(offsets)
        self._files.append(write_file(self._folder, self.next, table_of(cells), self.offsets))
        self.next = self._files[-1].end
        self.event_time = max(self.event_time, cells[-1].event_time)
        self._merge()
        self._trim()

    def cells(self, since: int = -1) -> Iterator[Cell]:
        """The cells that ended after an event time (ms), in the order in which they were given out."""
        for file in list(self._files):
            if file.newest > since:
                yield from (cell for cell in file.cells() if cell.event_time > since)

    def _whole_files(self) -> list[LogFile]:
        """The files, in order. Those that cannot be read are set aside; those that were merged are removed."""
        found: list[LogFile] = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                file = LogFile.of(path)
            except (OSError, ValueError, TypeError, AttributeError, pa.ArrowException, msgspec.MsgspecError) as error:
                aside = path.with_suffix(".damaged")
                path.replace(aside)
                log.error("%s of the learner's log cannot be read and is set aside as %s: %s", path, aside.name, error)
                continue
            if found and file.first < found[-1].end:
                path.unlink()
            else:
                found.append(file)
        return found

    def _merge(self) -> None:
        """Merge the small files at the end, if there are many."""
        small = 0
        while small < len(self._files) and self._files[-1 - small].rows < SMALL:
            small += 1
        if small < MERGED:
            return
        merged = self._files[-small:]
        table = pa.concat_tables([file.table() for file in merged])
        self._files[-small:] = [write_file(self._folder, merged[0].first, table, merged[-1].offsets)]
        for file in merged[1:]:
            file.path.unlink()

    def _trim(self) -> None:
        """Remove the oldest files, as far as the log is too old or too large."""
        oldest = self.event_time - self._days * DAY
        while len(self._files) > 1 and (self._files[0].newest <= oldest or self.bytes > self._most_bytes):
            self._files.pop(0).path.unlink()
