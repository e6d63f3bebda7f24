"""``mos demo``: the whole system on this machine."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from mos_cli.extras import need_evaluation
from mos_cli.options import (
    BACKBONE,
    MINUTES,
    BackboneOption,
    DatasetOfDemoOption,
    FormatOption,
    FromOption,
    MaxRefusedOption,
    MinutesOption,
    SpeedOption,
    ZoneOption,
)

app = typer.Typer()


@app.command()
def demo(
    *,
    dataset: DatasetOfDemoOption = None,
    format_name: FormatOption = None,
    zone: ZoneOption = None,
    max_refused: MaxRefusedOption = None,
    speed: SpeedOption = "400/s",
    events: Annotated[int, typer.Option(help="How many clicks to replay.", min=200)] = 40_000,
    start: FromOption = "0.8",
    backbone: BackboneOption = BACKBONE,
    minutes: MinutesOption = MINUTES,
) -> None:
    """Train MoS on the earlier part of a log, start every service, replay the later part, check everything, report.

    Runs on embedded defaults (Kafka in memory, Feast on SQLite, local Ray) in MOS_HOME/demo, which is emptied first.
    Exit status 1 means that something was lost or wrong; the report says what. Ctrl-C stops every started process.
    """
    need_evaluation()
    from mos_cli.demo.run import DemoConfig, run_demo  # noqa: PLC0415
    from mos_cli.home import datasets_folder  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.datasets import ReadOptions  # noqa: PLC0415
    from simulator.replay import Speed  # noqa: PLC0415

    configured = settings()
    console = Console()
    if dataset is None:
        there = (datasets_folder(configured) / "globo_news").is_dir()
        dataset = "globo_news" if there else "synthetic"
    config = DemoConfig(
        dataset=dataset,
        format_name=format_name,
        options=ReadOptions(zone, max_refused),
        speed=Speed.parse(speed),
        events=events,
        start=start,
        backbone=backbone,
        minutes=minutes,
    )
    try:
        passed = run_demo(config, configured, console)
    except KeyboardInterrupt:
        console.print(f"stopped; what was written is in {configured.home / 'demo'}", soft_wrap=True)
        raise typer.Exit(130) from None
    raise typer.Exit(0 if passed else 1)
