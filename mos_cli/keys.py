"""``mos keys``: API keys of the recommendation service."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Make API keys of the recommendation service."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The id of the key in logs and metrics, such as shop or batch-2.")],
    scopes: Annotated[
        str, typer.Option(help="What it allows, separated by commas: recommend, write, admin.")
    ] = "recommend",
) -> None:
    """Make a key: the key for the client, and the line for MOS_API_KEYS_FILE, which holds only a hash of it.

    Append the line to the file. A running service takes it within about a second.
    """
    from mos_online.settings import settings  # noqa: PLC0415
    from serving.http.keys import make_key  # noqa: PLC0415

    settings()  # a misspelt variable is an error in every command
    key, entry = make_key(name, [scope.strip() for scope in scopes.split(",")])
    Console(stderr=True).print(f"key for the client, shown only now: {key}", highlight=False, soft_wrap=True)
    typer.echo(entry.line())
