"""``mos doctor``: what is wrong here, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mos_cli.doctor.finding import Finding
    from mos_online.settings import Settings

app = typer.Typer()

COLOURS = {"PASS": "green", "INFO": "dim", "WARN": "yellow", "FAIL": "bold red"}


@app.command()
def doctor(
    settings: Annotated[
        bool,
        typer.Option("--settings", help="List all settings with value, source and description, and check nothing."),
    ] = False,
) -> None:
    """Check Python, Kafka, the online store, the model, ports and disk, and say how to mend what is wrong.

    Changes nothing. Exit status 1 if anything fails; warnings are for what is merely not running or not made yet.
    """
    from mos_online.settings import Settings  # noqa: PLC0415

    configured = Settings.load()
    console = Console()
    if settings:
        console.print(_settings_table(configured))
        return
    try:
        findings = []
        with console.status("checking ..."):
            for finding in _examine(configured):
                findings.append(finding)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    console.print(_findings_table(findings))
    failed = sum(finding.status == "FAIL" for finding in findings)
    warned = sum(finding.status == "WARN" for finding in findings)
    console.print(f"failed: {failed}, warnings: {warned}" if failed or warned else "all is well", highlight=False)
    if failed:
        raise typer.Exit(1)


def _examine(settings: Settings) -> Iterator[Finding]:
    from mos_cli.doctor import machine, services  # noqa: PLC0415

    yield machine.python()
    packages = machine.packages()
    yield packages
    yield machine.disk(settings)
    yield from machine.ports(settings)
    if packages.status == "PASS":  # the rest would fail to import what is missing
        yield from services.kafka(settings)
        yield from services.online_store(settings)
        yield services.model(settings)
    yield from machine.programs()


def _findings_table(findings: list[Finding]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("status")
    table.add_column("part", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("remedy", overflow="fold")
    for finding in findings:
        status = Text(finding.status, style=COLOURS[finding.status])
        table.add_row(status, Text(finding.part), Text(finding.found), Text(finding.remedy))
    return table


def _settings_table(settings: Settings) -> Table:
    from mos_cli.doctor.settings_table import settings_lines  # noqa: PLC0415

    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("source")
    table.add_column("description", overflow="fold")
    for line in settings_lines(settings):
        table.add_row(*(Text(cell) for cell in line))
    return table
