"""``mos replay``: publishes a click log to the clicks topic."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from mos_online.settings import Settings
    from simulator.dataset import Dataset
    from simulator.replay import Progress as Report
    from simulator.replay import Replay

app = typer.Typer()

FAULTS = "Faults (shares of clicks, 0 to 1)"


@app.command()
def replay(
    *,
    dataset: Annotated[
        str, typer.Option(help="A sub-folder of MOS_DATA_DIR, or `synthetic`: a population with known themes.")
    ] = "synthetic",
    format_name: Annotated[
        str | None, typer.Option("--format", help="Read --path in this public format instead; a wrong one lists all.")
    ] = None,
    path: Annotated[Path | None, typer.Option(help="File for --format, as its publisher distributes it.")] = None,
    speed: Annotated[str, typer.Option(help="600x (times real time), 800/s (clicks per second) or max.")] = "600x",
    events: Annotated[int | None, typer.Option(min=1, help="Send at most this many clicks; default all.")] = None,
    start: Annotated[
        str,
        typer.Option("--from", help="Where to begin: 0.8 leaves out the first 80 % of clicks; or an ISO time (UTC)."),
    ] = "0",
    envelope: Annotated[int, typer.Option(min=1, max=1000, help="Clicks of a user per message, at most.")] = 1,
    envelope_span: Annotated[
        float | None,
        typer.Option(
            help="Seconds of event time an envelope may wait for more; default: what MOS_SESSION_LATENESS allows."
        ),
    ] = None,
    rebase: Annotated[
        bool, typer.Option("--rebase", help="Shift the timestamps to now, as live traffic. Needs 1x or more, or max.")
    ] = False,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Consumer groups to wait for, comma-separated; '' waits for none. "
            "Default: the stream worker's with the embedded broker, which drops what it cannot hold; else none."
        ),
    ] = None,
    malformed: Annotated[float, typer.Option(help="Broken messages in place of clicks.", rich_help_panel=FAULTS)] = 0.0,
    duplicated: Annotated[float, typer.Option(help="Sent twice.", rich_help_panel=FAULTS)] = 0.0,
    disordered: Annotated[
        float, typer.Option(help="Delayed by up to --disorder, within the lateness.", rich_help_panel=FAULTS)
    ] = 0.0,
    disorder: Annotated[float, typer.Option(help="Seconds of event time.", rich_help_panel=FAULTS)] = 2.0,
    too_late: Annotated[float, typer.Option(help="Delayed beyond the lateness.", rich_help_panel=FAULTS)] = 0.0,
    skewed: Annotated[float, typer.Option(help="Stamped a year or more ahead.", rich_help_panel=FAULTS)] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of faults.", rich_help_panel=FAULTS)] = 0,
) -> None:
    """Replay a click log to the clicks topic, in order of event time.

    Times of the past stay what they are, and heartbeats at the end close the last sessions. So a part of a log can be
    replayed once per topic (a second time, its clicks are late), and what follows must begin a session gap later.
    With --rebase at 1x anything can be replayed again. Stop with Ctrl-C: the last sessions then stay open.
    """
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.faults import Faults  # noqa: PLC0415
    from simulator.kafka import ClicksTopic, lag_guard  # noqa: PLC0415
    from simulator.replay import Replay  # noqa: PLC0415
    from simulator.replay_config import ReplayConfig  # noqa: PLC0415
    from simulator.speed import Speed  # noqa: PLC0415
    from simulator.window import window  # noqa: PLC0415

    console = Console()
    configured = settings()
    config = ReplayConfig(
        speed=Speed.parse(speed),
        envelope=envelope,
        envelope_span=None if envelope_span is None else round(envelope_span * 1000),
        rebase=rebase,
        faults=Faults(
            malformed=malformed,
            duplicated=duplicated,
            disordered=disordered,
            too_late=too_late,
            skewed=skewed,
            disorder=round(disorder * 1000),
            seed=seed,
        ),
    )
    log = _load(dataset, format_name, path, configured)
    for why, count in log.skipped.items():
        console.print(f"[yellow]left out {count:,} lines of {path}: {why}[/]")
    clicks = window(log.clicks, start=start, count=events)
    if groups is None:
        watched = [configured.group("sessionizer")] if configured.kafka == "embedded" else []
    else:
        watched = [name.strip() for name in groups.split(",") if name.strip()]
    with ClicksTopic(configured) as topic, lag_guard(configured, watched) as guard:
        run = Replay(clicks, topic, config, sessions=configured.sessions, categories=log.categories, guard=guard)
        report = _watch(run, console)
    if report is None:
        raise typer.Exit(130)
    console.print(_summary(run, report))
    if report.sent < report.total:
        raise typer.Exit(130)


def _load(dataset: str, format_name: str | None, path: Path | None, configured: Settings) -> Dataset:
    from simulator.datasets import load, load_file, require_clock  # noqa: PLC0415

    if (format_name is None) != (path is None):
        raise typer.BadParameter("--format and --path belong together")
    if format_name is not None and path is not None:
        log = load_file(format_name, path)
    else:
        log = load(dataset, configured.data_dir)
    require_clock(log, configured.data_dir)
    return log


def _watch(run: Replay, console: Console) -> Report | None:
    """Run to the end, or until Ctrl-C, with a live line; returns the last report, if there was one."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
        console=console,
    )
    last: Report | None = None
    with bar:
        task = bar.add_task("starting", total=None, pace="")
        try:
            for last in run.run():
                lag = "" if last.lag is None else f", {last.lag:,} unread"
                pace = "waiting for the readers" if last.waiting else f"{last.rate:,.0f} clicks/s"
                bar.update(
                    task,
                    description=_moment(last.event_time),
                    total=last.total,
                    completed=last.sent,
                    pace=pace + lag,
                )
        except KeyboardInterrupt:
            console.print("interrupted")
    return last


def _summary(run: Replay, report: Report) -> Table:
    table = Table(box=None, show_header=False)
    table.add_row("clicks", f"{report.sent:,} of {report.total:,} in {report.messages:,} messages")
    table.add_row("took", f"{report.elapsed:.1f} s, {report.sent / max(report.elapsed, 1e-9):,.0f} clicks/s")
    table.add_row("event time", f"{_moment(run.origin)} to {_moment(report.event_time)} UTC")
    for fault, count in run.injected.counts.items():
        if count:
            table.add_row(fault.replace("_", " "), f"{count:,} clicks")
    for reason, count in run.injected.dead_letters.items():
        table.add_row("dead letters to expect", f"{count:,} {reason}")
    if report.sent < report.total:
        ending = "left open: interrupted"
    elif run.closing is None:
        ending = "closed by the wall clock, a gap after their last click"
    else:
        ending = "closed by heartbeats, one per partition"
    table.add_row("last sessions", ending)
    return table


def _moment(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
