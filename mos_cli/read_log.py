"""Reads the log that a verb was given, and shows what became of its rows."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mos_cli.home import datasets_folder
from mos_online.settings import Settings
from simulator.dataset import Dataset
from simulator.datasets import ReadOptions, load
from simulator.datasets.report import REASONS, ReadReport
from simulator.whole_days import with_clock


def read_log(
    dataset: str,
    format_name: str | None,
    options: ReadOptions,
    *,
    settings: Settings,
    console: Console,
    clock: bool = True,
) -> Dataset:
    """Read a log, and show its report if something was refused or assumed.

    Args:
        dataset, format_name, options: as ``simulator.datasets.load`` takes them.
        settings: of the folder of datasets and the types of events.
        console: for the report.
        clock: whether a log of whole days gets a time of day: for all that is learned from and sent, so that both are
            the same; not for what is judged.

    Raises:
        DatasetError: as ``load``.
    """
    log = load(
        dataset, datasets_folder(settings), format_name=format_name, event_types=settings.event_types, options=options
    )
    if clock:
        log = with_clock(log, settings.sessions)
    if log.report is not None and log.report.worth_showing:
        console.print(report_table(log.report, log.name, log.repeats))
    return log


def report_table(report: ReadReport, name: str, repeats: int = 0) -> Table:
    """What was read, kept and refused, and what the times and sessions are.

    Args:
        report: of the check.
        name: of the dataset.
        repeats: events that are equal to another.
    """
    table = Table(box=None, show_header=False, title=f"read {name}", title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    kept = f"{report.kept:,} of {report.read:,} rows"
    table.add_row("kept", kept + (f", {repeats:,} of them repeat another" if repeats else ""))
    for reason, refusal in report.refused.items():
        known = ", as is known of this publication" if reason in report.expected else ""
        words = f"{refusal.count:,} with {REASONS[reason]}{known}; the first is {refusal.first}"
        table.add_row("[yellow]left out[/]", escape(words + (f" ({refusal.hint})" if refusal.hint else "")))
    zone = f", zone {report.zone}" if report.zone else ""
    table.add_row("times", escape(report.unit + zone))
    table.add_row("a session is", escape(report.session))
    for assumed in report.assumed:
        table.add_row("[yellow]assumed[/]", escape(assumed))
    for note in report.notes:
        table.add_row("note", escape(note))
    return table
