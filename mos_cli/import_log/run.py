"""Importing a log and showing what is done: what the files look like, the columns, the progress, the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mos_cli.home import datasets_folder, require_writable
from mos_cli.import_log.show import columns_table, found_lines
from mos_cli.progress import progress_bar
from mos_cli.read_log import report_table
from mos_online.errors import DatasetError
from mos_online.settings import Settings
from simulator.dataset import ITEM_COLUMNS
from simulator.datasets import FORMATS
from simulator.datasets.catalogues import read_items
from simulator.datasets.opening import watched
from simulator.datasets.raw import ReadOptions
from simulator.datasets.times import require_zone
from simulator.importing.catalogue import Catalogue
from simulator.importing.columns import Asked
from simulator.importing.own import own_file
from simulator.importing.plan import Plan, plan_import
from simulator.importing.run import Source, import_log, look_through
from simulator.importing.shop import write_shop
from simulator.importing.target import require_free, target_folder

SHOP = "shop"
_PACKED = {".gz", ".zst", ".zstd", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".dat"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked on the command line, besides the columns."""

    files: list[Path]
    to: str | None
    items: Path | None
    items_as: str
    zone: str | None
    format_name: str | None
    max_refused: float
    dry_run: bool
    force: bool
    example: str | None


def import_and_show(wanted: Wanted, asked: Asked, settings: Settings) -> None:
    """Import, and print what was found and done.

    Raises:
        DatasetError: see ``plan_import`` and ``import_log``; or the options do not fit each other.
    """
    console = Console(soft_wrap=True, highlight=False)
    if wanted.example is not None:
        files, items = _example(wanted, asked, settings, console)
    else:
        files, items = wanted.files, wanted.items
    if not files:
        raise DatasetError("name the files of the log: mos import events.csv; or try mos import --example shop")
    items_as = _items_as(wanted.items_as)
    if wanted.zone is not None:
        require_zone(wanted.zone)
    folder = target_folder(wanted.to or _name_of(files[0], wanted), datasets_folder(settings))
    if not wanted.dry_run:
        require_free(folder, force=wanted.force)
    options = ReadOptions(zone=wanted.zone, max_refused=wanted.max_refused)
    plan = plan_import(files, asked, options, format_name=wanted.format_name)
    console.print(f"[bold]{_named(files)}[/]: {plan.described}")
    if plan.columns is not None and plan.sample is not None:
        console.print(columns_table(plan.columns, plan.sample))
    catalogue = _catalogue(items, items_as, plan, files, console)
    source = Source(plan=plan, catalogue=catalogue, max_refused=wanted.max_refused)
    with _progress(console, [part.path for part in plan.parts]) as sorting:
        outcome = (
            look_through(source) if wanted.dry_run else import_log(source, folder, force=wanted.force, sorting=sorting)
        )
    console.print(report_table(outcome.report, _named(files)))
    for line in found_lines(outcome, source, event_types=settings.event_types):
        console.print(line)
    if wanted.dry_run:
        console.print(f"nothing is written; without --dry-run the dataset goes to {folder}")
        return
    name = wanted.to if wanted.to and "/" in wanted.to else folder.name
    console.print(f"written to {folder}: try [bold]mos train --dataset {name}[/]")


def _catalogue(
    items: Path | None, items_as: Mapping[str, str], plan: Plan, files: Sequence[Path], console: Console
) -> Catalogue | None:
    """The items of a file: that of a public format is known, of another the columns are guessed.

    Of a folder of a public format, the files of items that lie in it are read.
    """
    as_they_are = {name: name for name in ITEM_COLUMNS}
    if items is None:
        beside = FORMATS[plan.name].item_files_of(files[0]) if plan.name in FORMATS and files[0].is_dir() else None
        if beside is None:
            return None
        table, found = beside
        console.print(f"[bold]{_named(found)}[/]: {table.title}")
        return Catalogue(table.read(found), as_they_are)
    known = None if items_as else read_items(items)
    if known is None:
        return Catalogue(own_file(items).whole(), items_as)
    console.print(f"[bold]{items}[/]: {known.title}")
    return Catalogue(known.frame, as_they_are)


def _example(wanted: Wanted, asked: Asked, settings: Settings, console: Console) -> tuple[list[Path], Path | None]:
    """Write the files of the example, and say how a user would import them."""
    if wanted.example != SHOP:
        raise DatasetError(f"there is no example {wanted.example!r}; there is {SHOP}")
    if wanted.files or wanted.items or asked:
        raise DatasetError("--example makes its own files: leave out files, --items and the options for columns")
    require_writable(settings)
    events, items = write_shop(settings.home / "examples" / SHOP)
    console.print(f"an invented shop is written to {events.parent}; the same as")
    console.print(f"  mos import {events} --items {items} --to {wanted.to or SHOP}")
    return [events], items


def _items_as(text: str) -> dict[str, str]:
    """What a column is -> the column as found, of ``item_id=sku,title=name``."""
    if not text:
        return {}
    pairs = {}
    for part in text.split(","):
        kept, equals, found = (piece.strip() for piece in part.partition("="))
        if not (kept and equals and found):
            raise DatasetError(f"--items-as: {part!r}: write item_id=sku,title=name,category=department")
        pairs[kept] = found
    return pairs


def _name_of(file: Path, wanted: Wanted) -> str:
    """The name of a dataset: that of its first file, without its endings."""
    if wanted.example is not None:
        return wanted.example
    name = file.resolve()
    while name.suffix.lower() in _PACKED:
        name = name.with_suffix("")
    return name.name


def _named(files: list[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


@contextmanager
def _progress(console: Console, files: list[Path]) -> Iterator[Callable[[], None]]:
    """A bar by bytes of the files, which goes on while the log is sorted."""
    sizes = {path: path.stat().st_size for path in files}
    with progress_bar(console, counted=False, transient=True) as bar:
        task = bar.add_task("reading", total=sum(sizes.values()))
        done: dict[Path, int] = {}

        def read(path: Path, position: int) -> None:
            done[path] = position
            bar.update(task, completed=sum(done.values()))

        def sorting() -> None:
            bar.update(task, description="sorting", completed=sum(sizes.values()), total=None)

        with watched(read):
            yield sorting
