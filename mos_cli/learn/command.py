"""``mos learn``: the learner in the foreground, and what it has learned."""

from __future__ import annotations

import logging
import signal
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer()


@app.callback(invoke_without_command=True)
def learn(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Stop when all that there is has been read (default: go on).")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Port of /metrics and /healthz (default: MOS_LEARN_PORT or 6067).")
    ] = None,
) -> None:
    """Learn from sessions and outcomes until Ctrl-C or SIGTERM.

    The learner keeps what it reads in MOS_HOME/learning. There is one learner to a model registry: a second one waits
    half a minute for the first one to end, and then says who it is.
    """
    if context.invoked_subcommand is not None:
        return
    from learning.parts import learning_parts  # noqa: PLC0415
    from learning.run import LearnerRun  # noqa: PLC0415
    from mos_online.settings import Settings  # noqa: PLC0415

    settings = Settings.load(learn_port=port)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if LearnerRun(settings, learning_parts).run(once=once) == signal.SIGINT:
        raise typer.Exit(130)


@app.command()
def status() -> None:
    """Show what the learner of this MOS_HOME has read, what it learned when and why, and what it refused."""
    from learning.status import read_status  # noqa: PLC0415
    from mos_cli.learn.show import status_tables  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    console, folder = Console(), settings().learning_dir
    found = read_status(folder)
    if found is None:
        console.print(f"no learner has run with {folder}: start one with `mos learn`", highlight=False, soft_wrap=True)
        return
    for table in status_tables(found):
        console.print(table)
