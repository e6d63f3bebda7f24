"""``mos import``: any click log becomes a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mos_cli.options import MaxRefusedOption, ZoneOption

app = typer.Typer()


def _column(name: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        f"--{name}", help=text, rich_help_panel="Columns (default: guessed, and shown)"
    )
    return option


FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="CSV, JSON lines or Parquet, plain or packed with gzip or zstd; a folder means its files."),
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="Name of the dataset: a folder of MOS_DATA_DIR, or of MOS_HOME/datasets if that is not set; or a path, "
        "./mine (default: the name of the first file).",
    ),
]
ItemsOption = Annotated[
    Path | None, typer.Option("--items", help="The catalogue: a file with one row per item. All its columns are kept.")
]
ItemsAsOption = Annotated[
    str,
    typer.Option(help="Columns of the catalogue: item_id=sku,title=name,category=department (default: guessed)."),
]
FormatNameOption = Annotated[
    str | None,
    typer.Option(
        "--format", help="A public format, or `table`: your own files; a wrong one lists all (default: by content)."
    ),
]
UserOption = Annotated[str | None, _column("user", "Who.")]
ItemOption = Annotated[str | None, _column("item", "What.")]
TimeOption = Annotated[
    str | None,
    _column(
        "time",
        "When, and the unit: created_at:ms (s, ms, us, ns, iso), or a pattern: at:%d/%m/%Y %H:%M; two: date+time.",
    ),
]
TypeOption = Annotated[
    str | None,
    _column("type", "What was done, and other names: action:view=click,buy=purchase; =purchase: all events are one."),
]
SessionOption = Annotated[str | None, _column("session", "Your own session id; = for none.")]
CategoryOption = Annotated[str | None, _column("category", "The category of the item; = for none.")]
ValueOption = Annotated[str | None, _column("value", "Above 0: the impression was clicked; = for none.")]


@app.command()
def import_log(
    files: FilesArgument = None,
    *,
    to: ToOption = None,
    items: ItemsOption = None,
    items_as: ItemsAsOption = "",
    user: UserOption = None,
    item: ItemOption = None,
    time: TimeOption = None,
    event_type: TypeOption = None,
    session: SessionOption = None,
    category: CategoryOption = None,
    value: ValueOption = None,
    zone: ZoneOption = None,
    format_name: FormatNameOption = None,
    max_refused: MaxRefusedOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything and report, but write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the dataset of this name.")] = False,
    example: Annotated[
        str | None, typer.Option(help="Make the files of an invented shop and import them: `shop` is the only one.")
    ] = None,
) -> None:
    """Import a click log: files of any shape become a dataset folder, which every command takes as --dataset.

    Files of a public format are recognised by their content. Of your own files the columns are guessed, and shown;
    what is not clear is asked. Every row is checked: what cannot be used is left out, and reported with its first row.
    A file larger than memory is streamed. The folder is there as a whole or not at all.
    """
    from mos_cli.import_log.run import Wanted, import_and_show  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.datasets.reading import MAX_REFUSED  # noqa: PLC0415
    from simulator.importing.columns import Asked  # noqa: PLC0415

    asked = Asked(user=user, item=item, time=time, type=event_type, session=session, category=category, value=value)
    wanted = Wanted(
        files=files or [],
        to=to,
        items=items,
        items_as=items_as,
        zone=zone,
        format_name=format_name,
        max_refused=MAX_REFUSED if max_refused is None else max_refused,
        dry_run=dry_run,
        force=force,
        example=example,
    )
    import_and_show(wanted, asked, settings())
