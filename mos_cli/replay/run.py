"""Publishes a log with a progress bar, and says at the end what was sent; for ``mos replay``."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from rich.console import Console
from rich.table import Table

from mos_cli.progress import progress_bar
from mos_cli.read_log import read_log
from mos_cli.utc import utc_text
from mos_online.settings import Settings
from simulator.dataset import Dataset
from simulator.datasets import ReadOptions
from simulator.replay import ClicksTopic, Progress, Replay, ReplayConfig, lag_guard
from simulator.window import window


def load_clicks(
    dataset: str,
    format_name: str | None,
    options: ReadOptions,
    *,
    start: str,
    count: int | None,
    settings: Settings,
    console: Console,
) -> tuple[Dataset, pl.DataFrame]:
    """The log, and the clicks of it that are to be sent.

    Raises:
        DatasetError: there is no such log, or nothing is left of it.
    """
    log = read_log(dataset, format_name, options, settings=settings, console=console)
    return log, window(log.clicks, start=start, count=count)


def replay_and_show(
    log: Dataset,
    clicks: pl.DataFrame,
    config: ReplayConfig,
    *,
    groups: Sequence[str] | None,
    settings: Settings,
    console: Console,
) -> bool:
    """Publish clicks, and say what was sent.

    Args:
        log: for the categories of the items.
        clicks: to send.
        config: how.
        groups: consumer groups to wait for; None: the sessionizer's with the embedded broker, which drops what it
            cannot hold, and none with a cluster.
        settings: of Kafka and of the sessions.
        console: for the bar and the result.

    Returns:
        Whether everything was sent; False after Ctrl-C.

    Raises:
        BrokerError: Kafka cannot be reached at the start, refuses a message, or was the embedded broker and was
            started anew; or the readers have stopped.
        DatasetError, SettingsError: as ``Replay``.
    """
    if groups is None:
        groups = [settings.group("sessionizer")] if settings.kafka == "embedded" else []
    with ClicksTopic(settings, say=lambda line: _say(line, console)) as topic, lag_guard(settings, groups) as guard:
        run = Replay(clicks, topic, config, sessions=settings.sessions, categories=log.categories, guard=guard)
        last = _run(run, console)
    if last is None:
        return False
    console.print(_summary(run, last))
    return last.sent == last.total


def _say(line: str, console: Console) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _run(run: Replay, console: Console) -> Progress | None:
    """Run to the end, or until Ctrl-C, with a bar; returns the last report, if there was one."""
    last: Progress | None = None
    with progress_bar(console) as bar:
        task = bar.add_task("starting", total=None)
        try:
            for last in run.run():
                lag = "" if last.lag is None else f", {last.lag:,} unread"
                pace = "waiting for the readers" if last.waiting else f"{last.rate:,.0f} clicks/s"
                bar.update(
                    task,
                    description=utc_text(last.event_time, "seconds"),
                    total=last.total,
                    completed=last.sent,
                    note=pace + lag,
                )
        except KeyboardInterrupt:
            console.print("interrupted")
    return last


def _summary(run: Replay, last: Progress) -> Table:
    table = Table(box=None, show_header=False)
    table.add_row("clicks", f"{last.sent:,} of {last.total:,} in {last.messages:,} messages")
    table.add_row("took", f"{last.elapsed:.1f} s, {last.sent / max(last.elapsed, 1e-9):,.0f} clicks/s")
    table.add_row("event time", f"{utc_text(run.origin, 'seconds')} to {utc_text(last.event_time, 'seconds')} UTC")
    for fault, count in run.injected.counts.items():
        if count:
            table.add_row(fault.replace("_", " "), f"{count:,} clicks")
    for reason, count in run.injected.dead_letters.items():
        table.add_row("dead letters to expect", f"{count:,} {reason}")
    table.add_row("last sessions", _ending(run, last))
    return table


def _ending(run: Replay, last: Progress) -> str:
    if last.sent < last.total:
        return "left open: interrupted"
    if run.closing is None:
        return "closed by the wall clock, a gap after their last click"
    return "closed by heartbeats, one per partition"
