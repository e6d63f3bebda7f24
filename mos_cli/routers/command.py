"""``mos routers``: the revisions of the router in service, and going back to an earlier one."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True)

ArmOption = Annotated[
    str, typer.Option(help="An arm of an experiment that learns, such as routing/1/online (default: all other users).")
]
SequenceArgument = Annotated[int, typer.Argument(help="Number of a revision, as `mos routers list` shows it.", min=1)]


@app.command("list")
def list_revisions(arm: ArmOption = "champion") -> None:
    """Show the revisions of the router in service, newest first. The last one routes and is served."""
    from mos_cli.routers.revisions import RevisionsInService  # noqa: PLC0415
    from mos_cli.routers.tables import revisions_table  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    console, found = Console(), RevisionsInService(settings(), arm)
    console.print(f"router {found.base.version} of {arm} in {found.label}", highlight=False, soft_wrap=True)
    console.print(revisions_table(found.history))
    if found.arms:
        console.print(f"arms that learn, for --arm: {', '.join(found.arms)}", highlight=False, soft_wrap=True)


@app.command()
def show(sequence: SequenceArgument, arm: ArmOption = "champion") -> None:
    """Show a revision: from which sessions it was made, what it moves, and from when on it routes."""
    from mos_cli.routers.revisions import RevisionsInService  # noqa: PLC0415
    from mos_cli.routers.tables import revision_table  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    found = RevisionsInService(settings(), arm)
    Console().print(revision_table(found.base, found.history.read(sequence)))


@app.command()
def rollback(
    sequence: Annotated[
        int | None,
        typer.Option(
            "--to",
            help="Number of the revision to go back to; 0 for the model's router (default: the one before).",
            min=0,
        ),
    ] = None,
    arm: ArmOption = "champion",
) -> None:
    """Put the content of an earlier revision back into service, and let none follow until `mos routers resume`.

    It becomes a new revision with a number of its own. Every replica takes it up within a second.
    """
    from mos_cli.routers.revisions import RevisionsInService  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    console = Console()
    with console.status("writing ..."):
        made, announced = RevisionsInService(settings(), arm).roll_back(sequence)
    console.print(
        f"in service: revision {made.sequence}, with the content of "
        f"{made.restores or 'the router of the model'}; `mos routers resume` lets further ones follow",
        highlight=False,
        soft_wrap=True,
    )
    if not announced:
        console.print("Kafka has not taken the record; a running `mos learn` publishes it", soft_wrap=True)


@app.command()
def resume(arm: ArmOption = "champion") -> None:
    """Let further revisions follow after a rollback; what is in service stays until then."""
    from mos_cli.routers.revisions import RevisionsInService  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    made, _ = RevisionsInService(settings(), arm).resume()
    Console().print(f"in service: revision {made.sequence}; further ones may follow", highlight=False, soft_wrap=True)
