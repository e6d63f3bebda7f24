"""``mos train``: themes and a model from a log."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer()


@app.command()
def train(
    dataset: Annotated[str, typer.Option(help='Folder in MOS_DATA_DIR, or "synthetic".')] = "synthetic",
    until: Annotated[
        str, typer.Option(help="Learn from the clicks before this: a share of the log (0.8) or an ISO time; 1: all.")
    ] = "0.8",
    backbone: Annotated[str, typer.Option(help="Sequence encoder: gru4rec, pooling, sasrec or mamba4rec.")] = "gru4rec",
    themes: Annotated[int, typer.Option(help="Number of latent themes.", min=1)] = 12,
    minutes: Annotated[float, typer.Option(help="Time budget for fitting.", min=0.05)] = 2.0,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
) -> None:
    """Train themes and a MoS model on a dataset, and put the model into service.

    The model goes into the registry in MOS_HOME/models with its card; a running service takes it up by itself.
    Themes are learned from the oldest part of the log, the model from the part after it, and the newest part decides
    when to stop. Prints how the model does there beside recent popularity and last-item kNN.
    """
    import polars as pl  # noqa: PLC0415

    from mos_cli.train.run import train_and_show  # noqa: PLC0415
    from mos_online.registry.registry import Registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from mos_online.training import TrainConfig  # noqa: PLC0415
    from simulator.datasets import load  # noqa: PLC0415
    from simulator.window import window  # noqa: PLC0415

    configured = settings()
    console = Console()
    data = load(dataset, configured.data_dir)
    clicks = data.clicks
    if until != "1":
        cut = window(clicks, start=until, count=1)["timestamp"][0]
        clicks = clicks.filter(pl.col("timestamp") < cut)
    config = TrainConfig(backbone=backbone, themes=themes, minutes=minutes, seed=seed)
    train_and_show(clicks, data.items, name=dataset, config=config, settings=configured, console=console)
    console.print(f"in service: {Registry(configured.models_dir).current()}", soft_wrap=True)
