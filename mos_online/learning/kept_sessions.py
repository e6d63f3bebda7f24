"""Reads the newest sessions of a learner's log, beside the learner that writes it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow.compute as pc

from mos_online.contracts import SESSIONS, Session
from mos_online.learning.log_file import SUFFIX, LogFile

TRIES = 10
"""The learner may merge files while we read them; then we begin again."""

_DECODE = msgspec.json.Decoder(Session).decode


def newest_sessions(folder: Path, *, events: int) -> list[Session]:
    """The newest sessions with about so many events, in the order in which they were given out.

    Args:
        folder: of the log; an empty list if there is none.
        events: whole files are read until there are so many.

    Raises:
        OSError: the log cannot be read.
    """
    for _ in range(TRIES - 1):
        try:
            return _read(folder, events)
        except FileNotFoundError:
            continue
    return _read(folder, events)


def _read(folder: Path, events: int) -> list[Session]:
    parts: list[list[Session]] = []
    found, begun = 0, -1
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
        file = LogFile.of(path)
        if 0 <= begun < file.end:  # merged into one that began earlier, while we read
            raise FileNotFoundError(path)
        begun = file.first
        table = file.table()
        values = table.filter(pc.equal(table["topic"], SESSIONS))["value"].to_pylist()
        part = [_DECODE(value) for value in values]
        parts.append(part)
        found += sum(len(session.events) for session in part)
        if found >= events:
            break
    return [session for part in reversed(parts) for session in part]
