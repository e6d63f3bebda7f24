"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mos_online.errors import MosError


class Status(StrEnum):
    """How bad it is: INFO is neither good nor bad, WARN stops nothing now, FAIL stops MoS Online from working."""

    PASS = "PASS"  # noqa: S105 - not a password
    INFO = "INFO"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the table.

    Attributes:
        part: what was looked at.
        status: how bad it is.
        found: what was found.
        remedy: what to do about it; given for WARN and FAIL.
    """

    part: str
    status: Status
    found: str
    remedy: str = ""


def failed(part: str, error: MosError, remedy: str = "") -> Finding:
    """A failure out of an error of ours, whose message says what is wrong and, after a semicolon, what to do."""
    found, _, told = str(error).partition("; ")
    return Finding(part=part, status=Status.FAIL, found=found, remedy=told or remedy)
