"""``mos validate``: what a log or a topic holds, what that will mean, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from mos_cli.options import DatasetToJudgeOption, FormatOption, MaxRefusedOption, ZoneOption

app = typer.Typer()

_TOPIC = "Reading of --topic"


@app.command()
def validate(
    *,
    dataset: DatasetToJudgeOption = None,
    format_name: FormatOption = None,
    zone: ZoneOption = None,
    max_refused: MaxRefusedOption = None,
    topic: Annotated[
        str | None,
        typer.Option(
            help="Instead of a dataset: `clicks`, the topic on the broker of MOS_KAFKA (default: none).",
            rich_help_panel=_TOPIC,
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(min=1, help="So many of its newest records are read (default: 100000).", rich_help_panel=_TOPIC),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Those are read that come within so many seconds (default: no waiting).",
            rich_help_panel=_TOPIC,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, for programs (default: a table).")
    ] = False,
) -> None:
    """Check a log or a running topic: rows, times, order, late events, repeats, sessions, items, training.

    Says for each what was found, what it will mean, and what to do. Reads only: nothing is written, and no offset is
    committed. Exit status 1 if anything fails.
    """
    from rich.console import Console  # noqa: PLC0415

    from mos_cli.findings import show  # noqa: PLC0415
    from mos_cli.validate.run import judge_dataset, judge_topic  # noqa: PLC0415
    from mos_online.errors import SettingsError  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.datasets import ReadOptions  # noqa: PLC0415

    configured, console = settings(), Console()
    if (dataset is None) == (topic is None):
        raise SettingsError("say what to look at: either --dataset NAME or --topic clicks")
    try:
        if dataset is not None:
            if last is not None or seconds is not None:
                raise SettingsError("--last and --seconds are for --topic: a dataset is read as a whole")
            options = ReadOptions(zone, max_refused)
            with console.status("reading ..."):
                findings = judge_dataset(dataset, format_name, options, configured)
        else:
            if format_name is not None or zone is not None or max_refused is not None:
                raise SettingsError("--format, --zone and --max-refused are for --dataset, not for --topic")
            with console.status("reading ..."):
                findings = judge_topic(str(topic), configured, last=last, seconds=seconds)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    show(findings, console, as_json=as_json)
