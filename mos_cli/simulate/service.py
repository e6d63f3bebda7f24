"""``mos simulate service``: users ask a running system, and it gets what they do."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from mos_cli.progress import progress_bar
from mos_cli.utc import utc_text
from simulator.loop.live import LiveLoop, Tally
from simulator.loop.service import SiteClient
from simulator.loop.visitors import Visitors
from simulator.replay.speed import Speed


def simulate_service(
    visitors: Visitors,
    client: SiteClient,
    *,
    speed: Speed,
    duration: int,
    effects: Mapping[str, float],
    as_json: bool,
    console: Console,
) -> bool:
    """Let users ask a service, and print what was sent and taken.

    Args:
        visitors: who asks.
        client: of the service.
        speed: of event time, or of the requests.
        duration: ms of event time, at most.
        effects: planted in arms, by "experiment/arm".
        as_json: one document instead of a table.
        console: for the bar and the result.

    Returns:
        Whether it came to its end; False after Ctrl-C.

    Raises:
        ServingError, SettingsError: the service refuses a request, or recommends what is not of these users' world.
    """
    notes, finished, began = Console(stderr=True), True, time.perf_counter()
    name = f"sim-{time.time_ns() // 1_000_000:x}"
    with progress_bar(notes, counted=False) as bar:
        task = bar.add_task("simulating", total=duration)

        def show(tally: Tally) -> None:
            note = f"{tally.requests:,} lists, {tally.clicks:,} clicks on them"
            bar.update(task, completed=tally.event_time - visitors.begin, note=tally.missing[:60] or note)

        loop = LiveLoop(
            visitors,
            client,
            speed=speed,
            name=name,
            say=lambda line: notes.print(line, markup=False),
            effects=effects,
        )
        try:
            loop.run(duration, show)
        except KeyboardInterrupt:
            finished = False
            notes.print("interrupted")
    tally = loop.tally
    if as_json:
        typer.echo(msgspec.json.encode(tally).decode())
    else:
        console.print(_summary(tally, visitors.begin, time.perf_counter() - began))
    return finished


def _summary(tally: Tally, begin: int, seconds: float) -> Table:
    lists = max(tally.requests, 1)
    table = Table(box=None, show_header=False)
    table.add_row("lists", f"{tally.requests:,} in {seconds:.1f} s, {tally.fallbacks:,} of them fallbacks")
    table.add_row("clicks on lists", f"{tally.clicks:,}, {tally.clicks / lists:.3f} per list")
    table.add_row("NDCG", f"{tally.ndcg / lists:.3f}")
    table.add_row("impressions", f"{tally.impressions_sent:,} sent, {tally.impressions_taken:,} acknowledged")
    table.add_row("clicks", f"{tally.clicks_sent:,} sent, {tally.clicks_taken:,} acknowledged")
    if tally.tries:
        table.add_row("service away", f"{tally.away:.0f} s, {tally.tries:,} calls were made again")
    if tally.requests:
        table.add_row("event time", f"{utc_text(begin, 'seconds')} to {utc_text(tally.event_time, 'seconds')} UTC")
    for versions, count in tally.by_model.items():
        table.add_row(versions, f"{count:,} lists")
    for arm, (shown, clicked) in sorted(tally.by_arm.items()):
        table.add_row(arm, f"{shown:,} lists, {clicked / shown:.3f} clicks per list")
    return table
