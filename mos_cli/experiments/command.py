"""``mos experiments``: A/B tests, from a file that says who gets what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True)

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The experiments, in YAML; usually experiments.yaml.", show_default=False)
]


@app.callback()
def experiments() -> None:
    """A/B tests: who gets which model, router and fast weights."""


@app.command()
def validate(file: FileArgument) -> None:
    """Check a file of experiments, and show who would get what. Nothing is started."""
    from mos_cli.experiments.tables import plan_table  # noqa: PLC0415
    from mos_online.experiments.arm_models import models_of  # noqa: PLC0415
    from mos_online.experiments.reading import read_plan  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    registry, plan = open_registry(settings()), read_plan(file)
    models_of(plan, registry.resolve)
    Console().print(plan_table(plan))
