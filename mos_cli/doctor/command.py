"""``mos doctor``: what is wrong here, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mos_cli.findings import Finding
    from mos_online.settings import Settings

app = typer.Typer()


@app.command()
def doctor(
    settings: Annotated[
        bool,
        typer.Option("--settings", help="List all settings with value, source and description, and check nothing."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, for programs (default: a table).")
    ] = False,
) -> None:
    """Check Python, folders, ports, Kafka, the online store and the model, and say how to fix what is wrong.

    Changes nothing. Exit status 1 if anything fails; warnings are for what is merely not running or not made yet.
    """
    from mos_cli.findings import show  # noqa: PLC0415
    from mos_online.settings import Settings  # noqa: PLC0415

    configured = Settings.load()
    console = Console()
    if settings:
        _show_settings(configured, console, as_json=as_json)
        return
    try:
        with console.status("checking ..."):
            findings = list(_examine(configured))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    show(findings, console, as_json=as_json)


def _examine(settings: Settings) -> Iterator[Finding]:
    from mos_cli.doctor import folders, machine  # noqa: PLC0415

    yield machine.python()
    packages = machine.packages()
    yield packages
    yield folders.home(settings)
    yield from folders.data(settings)
    yield folders.disk(settings)
    if packages.status == "PASS":  # the rest would fail to import what is missing
        from mos_cli.doctor import ports, profiles, services, store  # noqa: PLC0415

        yield from ports.ports(settings)
        yield from ports.remote_service(settings)
        yield from services.kafka(settings)
        yield from store.online_store(settings)
        yield from profiles.profiles(settings)
        yield services.model(settings)
    yield from machine.programs()


def _show_settings(settings: Settings, console: Console, *, as_json: bool) -> None:
    from mos_cli.doctor.settings_table import settings_lines  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps([line._asdict() for line in settings_lines(settings)], indent=2))
        return
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("source")
    table.add_column("description", overflow="fold")
    for line in settings_lines(settings):
        table.add_row(*(Text(cell) for cell in line))
    console.print(table)
