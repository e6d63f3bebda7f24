"""``mos evaluate``: MoS beside its rivals, under one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mos_cli.options import DatasetsOfPlanOption

app = typer.Typer()

ROLLING = "rolling"


@app.command()
def evaluate(
    plan: Annotated[
        str,
        typer.Option(
            help="full (two to three hours on two cores), quick (about five minutes), or rolling: models that are "
            "updated every few hours, for fast catalogues."
        ),
    ] = "full",
    dataset: DatasetsOfPlanOption = None,
    backbone: Annotated[list[str] | None, typer.Option(help="Only these backbones.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only these contestants.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of every cell, instead of the plan's.", min=1)] = None,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 2,
    out: Annotated[Path | None, typer.Option(help="Where results go; cells that are there are kept.")] = None,
) -> None:
    """Fit every contestant on the same positions, score them on later ones, and report with intervals.

    The log is split by time: routing from the oldest half, examples after it, then validation, then test. All models
    share items, real-time features, loss, budget and negatives. Interrupt it at any time: the next call goes on.
    --dataset, --backbone and --model each restrict the plan; with all three of them any comparison can be run.
    """
    import msgspec  # noqa: PLC0415

    from evaluation.protocol.plan import PLANS, Task  # noqa: PLC0415
    from evaluation.protocol.store import Store  # noqa: PLC0415
    from evaluation.report.static import write_report  # noqa: PLC0415
    from evaluation.report.walk_forward import write_rolling_report  # noqa: PLC0415
    from evaluation.walk_forward.data import RollingConfig  # noqa: PLC0415
    from mos_cli.evaluate.static import run_plan  # noqa: PLC0415
    from mos_cli.evaluate.walk_forward import run_rolling  # noqa: PLC0415
    from mos_online.errors import SettingsError  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    configured, console = settings(), Console()
    if plan == ROLLING:
        if backbone or model:
            raise SettingsError("--backbone and --model are for the other plans; rolling has its own table")
        store = Store(out or configured.home / "evaluate" / plan)
        for name in dataset or ["globo_news"]:
            run_rolling(
                name,
                store,
                config=RollingConfig(),
                seeds=seeds or 2,
                data_dir=configured.data_dir,
                sessions=configured.sessions,
                jobs=jobs,
                console=console,
            )
        console.print(f"report: {write_rolling_report(store)}", soft_wrap=True)
        return
    if plan not in PLANS:
        raise SettingsError(f"--plan {plan}: there are {', '.join([*PLANS, ROLLING])}")
    chosen = PLANS[plan]()
    if dataset and backbone and model:
        tasks = [
            Task(dataset=d, backbone=b, contestant=m, seeds=seeds or 5)
            for d in dataset
            for b in backbone
            for m in model
        ]
    else:
        tasks = [
            task
            for task in chosen.tasks
            if (not dataset or task.dataset in dataset)
            and (not backbone or task.backbone in backbone)
            and (not model or task.contestant in model)
        ]
        tasks = [msgspec.structs.replace(task, seeds=seeds) if seeds else task for task in tasks]
    if not tasks:
        raise SettingsError(
            "nothing in the plan fits --dataset, --backbone and --model; give all three to go beyond it"
        )
    chosen = msgspec.structs.replace(chosen, tasks=tasks)
    store = Store(out or configured.home / "evaluate" / plan)
    run_plan(chosen, store, data_dir=configured.data_dir, sessions=configured.sessions, jobs=jobs, console=console)
    written = write_report(store)
    console.print(f"report: {written}", soft_wrap=True)
