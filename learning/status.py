"""What a learner leaves on the disk about itself, several times a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mos_online.learning.whole_file import replace_file

FILE = "status.json"


class LearnerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the learner does.

    Attributes:
        running: False after it has stopped in order.
        begun_at, written_at: ms since 1970.
        kafka: why nothing can be read; None if all is well.
        event_time: before which everything is learned, ms; -1 at the start.
        held, late: records that wait for earlier ones, and that came too late to be in order.
        counts: of this run, what became of the records.
        records, bytes: of its log.
        parts: what each part says.
    """

    running: bool
    begun_at: int
    written_at: int
    kafka: str | None
    event_time: int
    held: int
    late: int
    counts: dict[str, int]
    records: int
    bytes: int
    parts: dict[str, dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Replace what was there."""
        replace_file(folder / FILE, msgspec.json.encode(self))


def read_status(folder: Path) -> LearnerStatus | None:
    """What the learner of a folder has left; None if there has been none."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=LearnerStatus)
    except FileNotFoundError:
        return None
