"""``mos evaluate``: MoS beside its rivals, under one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mos_cli.extras import need_evaluation
from mos_cli.options import DatasetsOfPlanOption, FormatOption, MaxRefusedOption, ZoneOption

app = typer.Typer()

WALK_FORWARD = "walk-forward"
DATASETS = ("globo_news",)
"""The datasets of the walk-forward plan, unless others are named."""


@app.command()
def evaluate(
    *,
    plan: Annotated[
        str,
        typer.Option(
            help="full (about three and a half hours on two cores), quick (about five minutes), or walk-forward: "
            "models that are updated every few hours, for fast catalogues."
        ),
    ] = "full",
    dataset: DatasetsOfPlanOption = None,
    format_name: FormatOption = None,
    zone: ZoneOption = None,
    max_refused: MaxRefusedOption = None,
    backbone: Annotated[list[str] | None, typer.Option(help="Only these backbones.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only these candidate models.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of every model, instead of the plan's.", min=1)] = None,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 2,
    out: Annotated[Path | None, typer.Option(help="Where results go; runs that are there are kept.")] = None,
) -> None:
    """Fit every candidate model on the same positions, score them on later ones, and report with intervals.

    The log is split by time: routing from the oldest half, examples after it, then validation, then test. All models
    share items, real-time features, loss, budget and negatives. Interrupt it at any time: the next call goes on.
    --dataset, --backbone and --model each restrict the plan; with all three of them any comparison can be run.
    """
    need_evaluation()
    from evaluation.results.store import Store  # noqa: PLC0415
    from evaluation.static.plan import PLANS, Wanted  # noqa: PLC0415
    from mos_cli.evaluate.jobs import do  # noqa: PLC0415
    from mos_cli.evaluate.logs import Logs  # noqa: PLC0415
    from mos_cli.home import datasets_folder  # noqa: PLC0415
    from mos_cli.read_log import read_log  # noqa: PLC0415
    from mos_online.errors import MosError, SettingsError  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.datasets import ReadOptions  # noqa: PLC0415

    configured, console = settings(), Console()
    if plan not in (*PLANS, WALK_FORWARD):
        raise SettingsError(f"--plan {plan}: there are {', '.join([*PLANS, WALK_FORWARD])}")
    options = ReadOptions(zone, max_refused)
    logs = Logs(datasets_folder(configured), format_name, options, configured.sessions)
    store = Store(out or configured.home / "evaluate" / plan)
    if plan == WALK_FORWARD:
        from evaluation.report.walk_forward import write_walk_forward_report as write  # noqa: PLC0415
        from mos_cli.evaluate.walk_forward import walk_forward_jobs  # noqa: PLC0415

        if backbone or model:
            raise SettingsError(f"--backbone and --model are for the other plans; {WALK_FORWARD} has its own table")
        names = list(dataset or DATASETS)
        work = walk_forward_jobs(names, seeds or 2, store, logs)
    else:
        from evaluation.report.static import write_report as write  # noqa: PLC0415
        from mos_cli.evaluate.static import static_jobs  # noqa: PLC0415

        wanted = Wanted(datasets=dataset or [], backbones=backbone or [], models=model or [], seeds=seeds)
        tasks = wanted.of(PLANS[plan]())
        names = list(dict.fromkeys(task.dataset for task in tasks.tasks))
        work = static_jobs(tasks, store, logs)
    for name in names:  # before the work: what cannot be read is said at once, and what was left out
        read_log(name, format_name, options, settings=configured, console=console, clock=False)
    try:
        do(work, processes=jobs, console=console)
    except MosError:
        if store.records():  # what the other jobs have found
            console.print(f"report: {write(store)}", soft_wrap=True)
        raise
    console.print(f"report: {write(store)}", soft_wrap=True)
