"""``mos experiments``: A/B tests, from a file that says who gets what."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from mos_online.registry import Registry

app = typer.Typer(no_args_is_help=True)

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The experiments, in YAML; usually experiments.yaml.", show_default=False)
]


@app.command()
def validate(file: FileArgument) -> None:
    """Check whether a file of experiments could be started now, and show who would get what. Nothing is started.

    Each model that an arm names is loaded and asked for a ranking, as `mos experiments start` does it.
    """
    from mos_cli.experiments.tables import other_rules, plan_table  # noqa: PLC0415
    from mos_online.experiments.reading import read_plan  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    registry, plan, console = open_registry(settings()), read_plan(file), Console()
    with console.status("checking the models ..."):
        after = registry.experiments().checked(plan, _check_with(registry), now=_now())
    console.print(plan_table(after))
    for line in other_rules(after):
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def start(file: FileArgument) -> None:
    """Put a file of experiments into force. It names all that are to run. Every replica takes it up within a second.

    What runs already goes on. Buckets may be added to it; any other change of its users or arms needs a higher version.
    """
    from mos_cli.experiments.tables import other_rules, plan_table  # noqa: PLC0415
    from mos_online.experiments.reading import read_plan  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    registry, plan, console = open_registry(settings()), read_plan(file), Console()
    with console.status("checking the models ..."):
        found = registry.experiments().start(plan, _check_with(registry), now=_now())
    console.print(f"in force: revision {found.number} of the experiments in {registry.label}", soft_wrap=True)
    console.print(plan_table(found.in_force))
    for line in other_rules(found.in_force):
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def stop(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[names]...", help="Experiments to stop (default: all).", show_default=False),
    ] = None,
    why: Annotated[str, typer.Option(help="The reason, which is kept.")] = "stopped by hand",
) -> None:
    """End experiments: their users get what everybody gets. To run again, an experiment needs a higher version."""
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    registry = open_registry(settings())
    history, console = registry.experiments(), Console()
    ended = names or [one.name for one in history.read().in_force.running]
    found = history.stop(ended, why, now=_now())
    running = ", ".join(one.name for one in found.in_force.running) or "none"
    console.print(f"stopped: {', '.join(ended) or 'none'}; running: {running}", highlight=False, soft_wrap=True)


ExperimentOption = Annotated[
    str | None, typer.Option("--experiment", help="Only this one, in all its versions (default: all).")
]


@app.command()
def status(
    *,
    experiment: ExperimentOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (default: a table).")] = False,
) -> None:
    """Show what the experiments have found so far, and what follows."""
    from mos_cli.experiments.results import as_json as json_of  # noqa: PLC0415
    from mos_cli.experiments.results import results_of, status_table  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    results = results_of(settings().learning_dir, experiment)
    if as_json:
        typer.echo(json_of(results).decode())
        return
    Console().print(status_table(results))


@app.command()
def report(
    *,
    experiment: ExperimentOption = None,
    to: Annotated[
        Path, typer.Option("--to", help="The page; the same numbers stand beside it in a file that ends in .json.")
    ] = Path("experiments.html"),
) -> None:
    """Write what the experiments have found as one page of HTML, and as JSON."""
    from mos_cli.experiments.results import as_json as json_of  # noqa: PLC0415
    from mos_cli.experiments.results import results_of  # noqa: PLC0415
    from mos_cli.extras import need_evaluation  # noqa: PLC0415
    from mos_online.errors import SettingsError  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    need_evaluation()
    from mos_cli.experiments.report import render  # noqa: PLC0415

    results = results_of(settings().learning_dir, experiment)
    try:
        to.write_text(render(results), encoding="utf-8")
        to.with_suffix(".json").write_bytes(json_of(results))
    except OSError as error:
        raise SettingsError(f"{to} cannot be written: {error}; choose another place with --to") from error
    Console().print(f"{to} and {to.with_suffix('.json')} are written", highlight=False, soft_wrap=True)


@app.command()
def estimate(
    *,
    candidate: Annotated[
        str, typer.Option("--candidate", help="The version of the model, or an alias (default: candidate).")
    ] = "candidate",
    answers: Annotated[
        int, typer.Option(min=1_000, help="At most so many answers that explored are asked again, the newest.")
    ] = 20_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (default: a table).")] = False,
) -> None:
    """Estimate how often the lists of another version would be clicked, from answers that explored.

    The learner's log must have such answers: those of an arm that sets exploration. Nobody is served with the version.
    What the log cannot tell is refused, with the reason.
    """
    from mos_cli.experiments.estimate import estimate as run_estimate  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    run_estimate(settings(), candidate, answers=answers, as_json=as_json, console=Console())


def _check_with(registry: Registry) -> Callable[[str], None]:
    """Tries a version, which needs torch; most files name none."""

    def check(version: str) -> None:
        from mos_online.recommend.probe import check_model  # noqa: PLC0415

        check_model(registry.fetch(version))

    return check


@app.command()
def interleave(
    *,
    a: Annotated[
        str, typer.Option("--a", help="A version of the model, or an alias (default: champion).")
    ] = "champion",
    b: Annotated[str, typer.Option("--b", help="The other one (default: candidate).")] = "candidate",
    sessions: Annotated[
        int, typer.Option(min=1, help="At most so many sessions of the log are answered, the newest.")
    ] = 20_000,
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="Length of the lists.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (default: a table).")] = False,
) -> None:
    """Compare two versions on sessions of the learner's log: which of them would users rather have clicked?

    After the first click of a session both versions are asked, and their lists become one, in which they pick in turn.
    The later clicks of the session speak for the version that gave the item. It is a first filter before an experiment.
    """
    from mos_cli.experiments.interleave import interleave as run_interleave  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    run_interleave(settings(), a, b, sessions=sessions, k=k, as_json=as_json, console=Console())


def _now() -> int:
    return time.time_ns() // 1_000_000
