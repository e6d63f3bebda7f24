"""``dataset.json``: where an imported folder comes from. ``mos import`` writes it; who reads the folder says it."""

from __future__ import annotations

from pathlib import Path

import msgspec

ORIGIN = "dataset.json"


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that the import has left out for one reason: how many, and the first of them."""

    count: int
    first: str


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What an import says of its dataset.

    Attributes:
        name: of the dataset.
        format: of the files: a public format, or ``table``.
        sources: the names of the files.
        unit: of their times, in words.
        zone: of times that named none; empty: all named theirs.
        session: what a session is in this log, in words.
        read: rows of the files.
        kept: rows that became events.
        repeats: rows that are equal to an earlier one; they are kept.
        refused: reason -> the rows that were left out.
    """

    name: str
    format: str
    sources: list[str]
    unit: str
    zone: str
    session: str
    read: int
    kept: int
    repeats: int
    refused: dict[str, Refused]

    def write(self, folder: Path) -> None:
        """Write it into the folder of the dataset."""
        (folder / ORIGIN).write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))

    @property
    def told(self) -> str:
        """Where the log comes from, in one line.

        >>> Origin(
        ...     name="shop", format="table", sources=["events.csv"], unit="ISO 8601", zone="Europe/Berlin", session="",
        ...     read=10, kept=9, repeats=0, refused={"missing_user": Refused(count=1, first="events.csv, line 3")},
        ... ).told
        'imported from events.csv, 9 of 10 rows; times were ISO 8601, zone Europe/Berlin; left out were 1 missing_user'
        """
        files = ", ".join(self.sources[:3]) + (f" and {len(self.sources) - 3} more" if len(self.sources) > 3 else "")
        kind = "" if self.format == "table" else f" ({self.format})"
        zone = f", zone {self.zone}" if self.zone else ""
        left = ", ".join(f"{refused.count:,} {reason}" for reason, refused in self.refused.items())
        return f"imported from {files}{kind}, {self.kept:,} of {self.read:,} rows; times were {self.unit}{zone}" + (
            f"; left out were {left}" if left else ""
        )


def read_origin(folder: Path) -> Origin | None:
    """Where a folder comes from; None: it was not imported, or has a file of that name that is another program's."""
    try:
        return msgspec.json.decode((folder / ORIGIN).read_bytes(), type=Origin)
    except (OSError, msgspec.MsgspecError):
        return None
