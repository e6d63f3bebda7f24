"""``mos models``: the versions in the registry, and which one is in service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from mos_online.registry import Check, Registry

app = typer.Typer(no_args_is_help=True)

VersionArgument = Annotated[
    str, typer.Argument(help="A version such as m-3f2a9c1b, or an alias: champion, candidate, previous.")
]


@app.command("list")
def list_models() -> None:
    """Show the versions in the registry, newest first, with their aliases and figures.

    champion is in service, candidate was added last and is not, previous is what `mos models rollback` goes back to.
    """
    from mos_cli.models.tables import versions_table  # noqa: PLC0415

    console, registry = Console(), _registry()
    console.print(f"models in {registry.label}", highlight=False, soft_wrap=True)
    console.print(versions_table(registry))


@app.command()
def show(version: VersionArgument) -> None:
    """Show the manifest of a version and its model card; checks every file."""
    from mos_cli.models.tables import manifest_table  # noqa: PLC0415

    console, registry = Console(), _registry()
    chosen = registry.resolve(version)
    card = registry.fetch(chosen) / "card.md"
    manifest = registry.manifest(chosen)
    console.print(manifest_table(manifest, registry.aliases().of(chosen)))
    if card.name in manifest.files:
        console.print(card.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)


@app.command()
def compare(first: VersionArgument, second: VersionArgument) -> None:
    """Show two versions side by side: figures, data, configuration and themes; what differs is bold."""
    from mos_cli.models.compare import comparison_tables  # noqa: PLC0415
    from mos_cli.models.facts import facts_of  # noqa: PLC0415

    console, registry = Console(), _registry()
    for table in comparison_tables(*(facts_of(registry, version) for version in (first, second))):
        console.print(table)


@app.command()
def promote(version: VersionArgument) -> None:
    """Put a version into service, after a check that it is whole, can be loaded and scores with finite numbers.

    Running services and workers take it up within seconds, without a restart.
    """
    _put_into_service(lambda registry, check: registry.promote(version, check))


@app.command()
def rollback() -> None:
    """Put the previous version back into service, after the same check; a second rollback undoes the first."""
    _put_into_service(lambda registry, check: registry.rollback(check))


def _registry() -> Registry:
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    return open_registry(settings())


def _put_into_service(change: Callable[[Registry, Check], str]) -> None:
    console, registry = Console(), _registry()
    with console.status("checking the model ..."):
        from mos_online.recommend.probe import check_model  # noqa: PLC0415

        chosen = change(registry, check_model)
    previous = registry.aliases().previous
    console.print(
        f"in service: {chosen}" + (f" (before: {previous}; `mos models rollback` goes back)" if previous else ""),
        highlight=False,
        soft_wrap=True,
    )
