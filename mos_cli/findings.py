"""The results of checks: one finding each, shown as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mos_online.errors import MosError

COLOURS = {"PASS": "green", "INFO": "dim", "WARN": "yellow", "FAIL": "bold red"}


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


def show(findings: Sequence[Finding], console: Console, *, as_json: bool) -> None:
    """Print findings, and end the command with status 1 if anything fails.

    Raises:
        typer.Exit: something fails.
    """
    failed = sum(finding.status == Status.FAIL for finding in findings)
    warned = sum(finding.status == Status.WARN for finding in findings)
    if as_json:
        listed = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"failed": failed, "warnings": warned, "findings": listed}, indent=2))
    else:
        console.print(_table(findings))
        console.print(f"failed: {failed}, warnings: {warned}" if failed or warned else "all is well", highlight=False)
    if failed:
        raise typer.Exit(1)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("status")
    table.add_column("part", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("remedy", overflow="fold")
    for finding in findings:
        status = Text(finding.status, style=COLOURS[finding.status])
        table.add_row(status, Text(finding.part), Text(finding.found), Text(finding.remedy))
    return table
