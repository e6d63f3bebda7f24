"""``mos train``: themes and a model from a log."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from mos_cli.options import (
    BACKBONE,
    MINUTES,
    BackboneOption,
    DatasetOption,
    DeviceOption,
    FormatOption,
    MaxRefusedOption,
    MinutesOption,
    UntilOption,
    ZoneOption,
)

app = typer.Typer()


@app.command()
def train(
    *,
    dataset: DatasetOption = "synthetic",
    format_name: FormatOption = None,
    zone: ZoneOption = None,
    max_refused: MaxRefusedOption = None,
    until: UntilOption = "1",
    backbone: BackboneOption = BACKBONE,
    themes: Annotated[
        int, typer.Option(help="Number of latent themes; on a short log there may be fewer.", min=1)
    ] = 12,
    minutes: MinutesOption = MINUTES,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Fit in so many processes of Ray Train: of this machine, or of the cluster of RAY_ADDRESS. Every one "
            "takes its share of each step, on a GPU if there is one for each (default: in this process).",
            min=1,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
    promote: Annotated[
        bool,
        typer.Option("--promote/--no-promote", help="Make it the champion, or only add it as the candidate."),
    ] = True,
) -> None:
    """Train themes and a MoS model on a dataset, and promote the model.

    The model goes into the registry (MOS_MODELS, or MOS_HOME/models) with its card; a running service takes it up by
    itself. With --no-promote it waits there: `mos models compare champion candidate`, `mos models promote candidate`.
    Themes are learned from the oldest part of the log, the model from the part after it, and the newest part decides
    when to stop. Prints how the model does there beside recent popularity, item-kNN and VMIS-kNN.
    """
    from mos_cli.home import require_writable  # noqa: PLC0415
    from mos_cli.read_log import read_log  # noqa: PLC0415
    from mos_cli.train.run import train_and_show  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from mos_online.training import TrainConfig  # noqa: PLC0415
    from simulator.datasets import ReadOptions  # noqa: PLC0415
    from simulator.window import take_until  # noqa: PLC0415

    configured = settings()
    if configured.models is None:
        require_writable(configured)  # the model would be lost after minutes of work
    console = Console()
    config = TrainConfig(backbone=backbone, themes=themes, minutes=minutes, device=device, seed=seed)
    options = ReadOptions(zone, max_refused)
    whole = read_log(dataset, format_name, options, settings=configured, console=console)
    log = take_until(whole, until)
    report = train_and_show(
        log, name=dataset, config=config, settings=configured, console=console, promote=promote, workers=workers
    )
    where = open_registry(configured).label
    console.print(f"{'in service' if promote else 'candidate'}: {report.version} in {where}", soft_wrap=True)
