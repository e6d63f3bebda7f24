"""What was read of a log, what was kept and what was refused, with the first row of every reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mos_online.errors import DatasetError
from simulator.datasets.origin import Origin

REASONS: Mapping[str, str] = {
    "missing_user": "no user",
    "missing_item": "no item",
    "missing_time": "no time",
    "missing_type": "no event type",
    "unreadable_time": "a time that cannot be read",
    "time_out_of_range": "a time before 1990 or after tomorrow",
    "no_year": "a date without a year",
    "long_id": "an id of more than 256 characters",
    "unusable_id": "an id with a NUL character, or of a type that is no id",
    "long_type": "an event type of more than 256 characters",
    "unknown_type": "an event type that the format does not have",
    "unexpected_value": "a value that the format does not allow",
    "fields": "another number of fields",
    "not_json": "no JSON object with the fields of the format",
    "not_literal": "no Python literal with the fields of the format",
}
"""Every reason for refusing a row -> the same in words."""

_SHOWN = 80


@dataclass(frozen=True)
class Refusal:
    """The rows that were refused for one reason.

    Attributes:
        count: how many.
        where: the file and the line or row of the first of them.
        row: its number.
        value: what the first one holds, cut to 80 characters.
        hint: how it may be meant, or empty.
    """

    count: int
    where: str
    row: int
    value: str
    hint: str = ""

    @property
    def first(self) -> str:
        """Where the first one is and what it holds."""
        return f"{self.where}: {self.value}"


@dataclass(kw_only=True)
class ReadReport:
    """What became of the rows of a log; the check fills it while it reads.

    Attributes:
        read: rows found, without empty lines.
        kept: rows that became events.
        refused: reason, one of ``REASONS`` -> the rows refused for it.
        expected: reasons for which the publication itself is known to hold such rows -> the largest share of the rows
            that is due to that.
        unit: of the times, in words; empty: not known yet.
        zone: of times that name none; empty: all times name theirs, or are counted since 1970.
        assumed: what nobody said and the reader took as given, in words.
        session: what a session is in this log, in words.
        notes: what else the reader has to say.
        allowed: share of the rows that may be refused for reasons that are not expected.
        origin: what the import says that has made the folder; None: none has.
    """

    read: int = 0
    kept: int = 0
    refused: dict[str, Refusal] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)
    unit: str = ""
    zone: str = ""
    assumed: list[str] = field(default_factory=list)
    session: str = ""
    notes: list[str] = field(default_factory=list)
    allowed: float = 0.0
    origin: Origin | None = None

    def refuse(self, reason: str, found: Refusal) -> None:
        """Count rows that are refused; the first ones of a reason are those that are shown."""
        before = self.refused.get(reason)
        self.refused[reason] = found if before is None else replace(before, count=before.count + found.count)

    @property
    def unexpected(self) -> int:
        """Rows refused beyond what is known of the publication."""
        shares = self.expected
        return sum(max(0, found.count - int(shares.get(why, 0.0) * self.read)) for why, found in self.refused.items())

    @property
    def worth_showing(self) -> bool:
        """Whether something was refused, assumed or found that a user should know of."""
        return bool(self.refused or self.assumed or self.notes)

    def reasons(self) -> list[str]:
        """One line for each reason: how many rows, the first of them, and how it may be meant."""
        return [
            f"{refusal.count:,} with {REASONS[reason]} ({reason}), the first is {refusal.first}"
            + (f" ({refusal.hint})" if refusal.hint else "")
            for reason, refusal in self.refused.items()
        ]

    @property
    def enough(self) -> bool:
        """Whether so many rows could be used as must be."""
        return bool(self.kept) and self.unexpected <= self.allowed * self.read

    @property
    def allowing(self) -> float:
        """A share of refused rows, with two digits, that this log does not exceed."""
        return _share_above((self.read - self.kept) / max(1, self.read))

    def require(self, source: str, remedy: str) -> None:
        """Raise unless enough of the rows could be used.

        Args:
            source: what was read.
            remedy: what the user can do.

        Raises:
            DatasetError: too many rows were refused, or none is left; lists every reason with its first row.
        """
        if self.enough:
            return
        if not self.read:
            raise DatasetError(f"{source} holds no events")
        refused = self.read - self.kept
        allowed = f"at most {self.allowed:.2%} may be" if self.kept else "none is left"
        rest = f" --max-refused {self.allowing} leaves them out" if self.kept else ""
        raise DatasetError(
            f"{source}: {refused:,} of {self.read:,} rows cannot be used, {allowed}: {'; '.join(self.reasons())}. "
            f"{remedy}{rest}"
        )


def _share_above(share: float) -> float:
    """The next share with two digits.

    >>> _share_above(0.0123), _share_above(0.5), _share_above(0.999)
    (0.02, 0.51, 1.0)
    """
    return min(1.0, math.floor(share * 100 + 1) / 100)


def shown(value: object) -> str:
    """A value as it is shown, cut to 80 characters."""
    return cut(repr(value))


def cut(text: str) -> str:
    """A text as it is shown: its first 80 characters, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
