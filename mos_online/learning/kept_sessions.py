"""Reads the newest records of a learner's log, beside the learner that writes it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow.compute as pc

from mos_online.contracts import OUTCOMES, SESSIONS, Outcome, Session
from mos_online.learning.log_file import SUFFIX, LogFile

DAY = 86_400_000

TRIES = 10
"""The learner may merge files while we read them; then we begin again."""

T = TypeVar("T")

_DECODE = msgspec.json.Decoder(Session).decode
_OUTCOME = msgspec.json.Decoder(Outcome).decode


def newest_sessions(folder: Path, *, events: int) -> list[Session]:
    """The newest sessions with about so many events, in the order in which they were given out.

    Args:
        folder: of the log; an empty list if there is none.
        events: whole files are read until there are so many.

    Raises:
        OSError: the log cannot be read.
    """
    return _newest(folder, SESSIONS, _DECODE, lambda session: len(session.events), events)


def newest_outcomes(folder: Path, *, count: int) -> list[Outcome]:
    """At least so many of the newest outcomes, if there are, in the order in which they were given out.

    Args and errors are those of ``newest_sessions``.
    """
    return _newest(folder, OUTCOMES, _OUTCOME, lambda _: 1, count)


def _newest(folder: Path, topic: str, decode: Callable[[bytes], T], size: Callable[[T], int], wanted: int) -> list[T]:
    for _ in range(TRIES - 1):
        try:
            return _read(folder, topic, decode, size, wanted)
        except FileNotFoundError:
            continue
    return _read(folder, topic, decode, size, wanted)


def sessions_since(folder: Path, *, days: float) -> Iterator[Session]:
    """The sessions of the newest days, one by one, in the order in which they were given out.

    The learner may go on meanwhile. Each session comes once, also where it merges or removes files.

    Args:
        folder: of the log; nothing if there is none.
        days: of event time, before the newest record.

    Raises:
        OSError: the log cannot be read.
    """
    number, since = 0, -1
    if paths := sorted(folder.glob(f"*{SUFFIX}")):
        since = LogFile.of(paths[-1]).newest - round(days * DAY)
    while (file := _file_with(folder, number)) is not None:
        try:
            table = file.table() if file.newest > since else None
        except FileNotFoundError:
            continue
        if table is not None:
            rows = table.slice(max(number - file.first, 0))
            wanted = pc.and_(pc.equal(rows["topic"], SESSIONS), pc.greater(rows["event_time"], since))
            yield from map(_DECODE, rows.filter(wanted)["value"].to_pylist())
        number = file.end


def _file_with(folder: Path, number: int) -> LogFile | None:
    """The file that has the record of a number, or the first one after it."""
    for _ in range(TRIES):
        paths = sorted(folder.glob(f"*{SUFFIX}"))
        begun = bisect_right([int(path.stem) for path in paths], number)
        try:
            for path in paths[max(begun - 1, 0) : begun + 1]:
                if (file := LogFile.of(path)).end > number:
                    return file
        except FileNotFoundError:
            continue
        return None
    raise FileNotFoundError(folder)


def _read(folder: Path, topic: str, decode: Callable[[bytes], T], size: Callable[[T], int], wanted: int) -> list[T]:
    parts: list[list[T]] = []
    found, begun = 0, -1
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
        file = LogFile.of(path)
        if 0 <= begun < file.end:  # merged into one that began earlier, while we read
            raise FileNotFoundError(path)
        begun = file.first
        table = file.table()
        values = table.filter(pc.equal(table["topic"], topic))["value"].to_pylist()
        part = [decode(value) for value in values]
        parts.append(part)
        found += sum(map(size, part))
        if found >= wanted:
            break
    return [record for part in reversed(parts) for record in part]
