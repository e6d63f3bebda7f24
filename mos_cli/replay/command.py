"""``mos replay``: publishes a click log to the clicks topic."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from mos_cli.options import DatasetOption, FormatOption, FromOption, MaxRefusedOption, SpeedOption, ZoneOption

app = typer.Typer()


def _fault(description: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=description, rich_help_panel="Faults (shares of clicks, 0 to 1)"
    )
    return option


EventsOption = Annotated[int | None, typer.Option(min=1, help="Send at most this many clicks (default: all).")]
EnvelopeOption = Annotated[int, typer.Option(min=1, max=1000, help="Clicks of a user per message, at most.")]
EnvelopeSpanOption = Annotated[
    float | None,
    typer.Option(
        help="Seconds of event time that a message may wait for more clicks of its user (default: what "
        "MOS_SESSION_LATENESS allows)."
    ),
]
RebaseOption = Annotated[
    bool, typer.Option("--rebase", help="Shift the timestamps to now, as live traffic. Needs 1x or more, or max.")
]
GroupsOption = Annotated[
    str | None,
    typer.Option(
        help="Consumer groups to wait for, separated by commas; '' waits for none (default: the sessionizer's with the "
        "embedded broker, which drops what it cannot hold; else none)."
    ),
]


@app.command()
def replay(
    *,
    dataset: DatasetOption = "synthetic",
    format_name: FormatOption = None,
    zone: ZoneOption = None,
    max_refused: MaxRefusedOption = None,
    speed: SpeedOption = "600x",
    events: EventsOption = None,
    start: FromOption = "0",
    envelope: EnvelopeOption = 1,
    envelope_span: EnvelopeSpanOption = None,
    rebase: RebaseOption = False,
    groups: GroupsOption = None,
    malformed: Annotated[float, _fault("Broken messages in place of clicks.")] = 0.0,
    duplicated: Annotated[float, _fault("Sent twice.")] = 0.0,
    disordered: Annotated[float, _fault("Delayed by up to --disorder, within the lateness.")] = 0.0,
    disorder: Annotated[float, _fault("Seconds of event time.")] = 2.0,
    too_late: Annotated[float, _fault("Delayed beyond the lateness.")] = 0.0,
    skewed: Annotated[float, _fault("Stamped a year or more ahead.")] = 0.0,
    seed: Annotated[int, _fault("Of the choice of faults.")] = 0,
) -> None:
    """Replay a click log to the clicks topic, in order of event time.

    Times of the past stay what they are, and heartbeats at the end close the last sessions. So a part of a log can be
    replayed once per topic (a second time, its clicks are late), and what follows must begin a session gap later.
    With --rebase at 1x anything can be replayed again. Stop with Ctrl-C: the last sessions then stay open.
    """
    from mos_cli.replay.run import load_clicks, replay_and_show  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.datasets import ReadOptions  # noqa: PLC0415
    from simulator.faults import Faults  # noqa: PLC0415
    from simulator.replay import ReplayConfig, Speed  # noqa: PLC0415

    configured, console = settings(), Console()
    faults = Faults(
        malformed=malformed,
        duplicated=duplicated,
        disordered=disordered,
        too_late=too_late,
        skewed=skewed,
        disorder=_milliseconds(disorder),
        seed=seed,
    )
    config = ReplayConfig(
        speed=Speed.parse(speed),
        envelope=envelope,
        envelope_span=None if envelope_span is None else _milliseconds(envelope_span),
        rebase=rebase,
        faults=faults,
    )
    watched = None if groups is None else [name.strip() for name in groups.split(",") if name.strip()]
    options = ReadOptions(zone, max_refused)
    log, clicks = load_clicks(
        dataset, format_name, options, start=start, count=events, settings=configured, console=console
    )
    finished = replay_and_show(log, clicks, config, groups=watched, settings=configured, console=console)
    if not finished:
        raise typer.Exit(130)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
