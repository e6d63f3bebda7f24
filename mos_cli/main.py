"""Entry point of the ``mos`` command: one module of ``mos_cli.commands`` per verb, imported when it is called."""

from __future__ import annotations

import importlib
import sys

import click
import typer
from rich.console import Console
from typer.main import get_command

from mos_online.errors import MosError

COMMANDS = {
    "demo": "The whole system on this machine: train, start everything, replay a log, report.",
    "up": "Start all services (Kafka if embedded, worker, serve) and keep them until stopped.",
    "kafka": "The embedded Kafka broker: in memory, for development and tests.",
    "worker": "The stream processor: sessions, profiles, recommendations.",
    "serve": "The recommendation service (Ray Serve): POST /v1/recommend.",
    "train": "Train themes and a MoS model on a dataset, and put it into service.",
    "backfill": "Write the profiles of past users into the online store.",
    "replay": "Replay a dataset as clicks at a chosen speed.",
    "topics": "List, create and tail topics.",
    "doctor": "Check Kafka, store, model, ports and versions, and say how to fix what is wrong.",
}


class _LazyGroup(click.Group):
    """Imports a command's module only when it is called: ``mos --help`` must not wait for torch or Ray."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"mos_cli.commands.{name}")
        command = get_command(module.app)
        command.name = name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def mos() -> None:
    """MoS Online: streaming sessions, themes and Mixture-of-Sequence recommendations.

    Settings are MOS_* environment variables; `mos doctor` lists and checks them.
    """


def main() -> None:
    """Run the command line; a deliberate error becomes one readable message and exit status 2."""
    try:
        mos(prog_name="mos")
    except MosError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {typer.unstyle(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)
