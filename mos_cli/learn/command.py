"""``mos learn``: the learner in the foreground, and what it has learned."""

from __future__ import annotations

import logging
import signal
from contextlib import closing
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer()


@app.callback(invoke_without_command=True)
def learn(
    context: typer.Context,
    every: Annotated[
        str, typer.Option(help="Fine-tune the champion so often: 30m, 2h, 1d, or never (default: 30m).")
    ] = "30m",
    on_drift: Annotated[
        bool, typer.Option("--on-drift", help="Fine-tune when drift asks for it, too (default: by the clock only).")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Read what there is, fine-tune once, and end (default: go on).")
    ] = False,
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Promote nothing: what passes is the registry's candidate (default: promote)."),
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Port of /metrics and /healthz (default: MOS_LEARN_PORT or 6067).")
    ] = None,
) -> None:
    """Learn from sessions and outcomes until Ctrl-C or SIGTERM.

    The learner keeps what it reads in MOS_HOME/learning. Every half hour it makes a candidate of the model in service,
    and puts it into service if it is better on the newest clicks. There is one learner to a model registry: a second
    one waits half a minute for the first one to end, and then says who it is.
    """
    if context.invoked_subcommand is not None:
        return
    from learning.fine_tuning import FineTuningPart, start_process  # noqa: PLC0415
    from learning.parts import learning_parts  # noqa: PLC0415
    from learning.run import LearnerRun  # noqa: PLC0415
    from mos_cli.utc import span  # noqa: PLC0415
    from mos_online.settings import Settings  # noqa: PLC0415

    settings = Settings.load(learn_port=port)
    seconds = None if once or every == "never" else span(every) / 1000
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    start = partial(start_process, hold=hold)
    tuning = FineTuningPart(settings.learning_dir, every=seconds, on_drift=on_drift and not once, start=start)
    run = LearnerRun(settings, lambda configured, at_end: [*learning_parts(configured, at_end), tuning])
    with closing(tuning):
        stopped_by = run.run(finished=tuning.once if once else None)
    if once and tuning.last is not None:
        Console().print(f"{tuning.last.state}: {tuning.last.words}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1 if tuning.last.state == "failed" else 0)
    if stopped_by == signal.SIGINT:
        raise typer.Exit(130)


@app.command()
def export(
    days: Annotated[float, typer.Option(min=0.001, help="Of event time, the newest (default: 7).")] = 7.0,
) -> None:
    """Write what users' profiles were after each session of the learner's log, for Feast's `get_historical_features`.

    The file user_state.parquet in the Feast repository is replaced. A learner may run meanwhile.
    """
    from learning.user_history import export_user_history  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    configured = settings()
    rows = export_user_history(configured, days=days)
    Console().print(f"{rows:,} rows in {configured.feast_dir}", highlight=False, soft_wrap=True)


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
