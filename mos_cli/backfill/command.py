"""``mos backfill``: profiles of past users, made from a log without a broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mos_cli.options import DatasetOption, FormatOption, MaxRefusedOption, UntilOption, ZoneOption

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()

DAY_MS = 86_400_000


@app.command()
def backfill(
    *,
    dataset: DatasetOption = "synthetic",
    format_name: FormatOption = None,
    zone: ZoneOption = None,
    max_refused: MaxRefusedOption = None,
    until: UntilOption = "1",
    users: Annotated[
        Path | None, typer.Option(help="Only the users named in this file, one id a line (default: all).")
    ] = None,
    active_days: Annotated[
        float | None,
        typer.Option(min=0, help="Only users with a click in the last so many days before --until (default: all)."),
    ] = None,
    from_topic: Annotated[
        bool,
        typer.Option(
            "--from-topic", help="Read the sessions of the topic `sessions` instead of a dataset, and heal the store."
        ),
    ] = False,
) -> None:
    """Cut a log into sessions, route them with the model in service, and write the users' profiles.

    Run it before the first replay, or to rebuild a lost store. A new router needs none: it routes what a profile holds.
    Sessions are merged into the profiles that the store has, each once, so it may run beside a worker, and again.
    Item popularity is written only if the store has none: what a worker has counted stays as it is.
    A session that goes on across --until is cut in two.
    With --from-topic the sessions come from Kafka: it heals a store that was emptied, or came back with an old copy.
    """
    from rich.console import Console  # noqa: PLC0415

    from mos_cli.backfill.from_topic import backfill_from_topic  # noqa: PLC0415
    from mos_cli.backfill.run import backfill_and_show  # noqa: PLC0415
    from mos_cli.read_log import read_log  # noqa: PLC0415
    from mos_online.errors import DatasetError, SettingsError  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from mos_online.users.offline_profiles import of_users  # noqa: PLC0415
    from simulator.datasets import ReadOptions  # noqa: PLC0415
    from simulator.window import take_until  # noqa: PLC0415

    configured = settings()
    if from_topic:
        of_a_log = (users, active_days, format_name, zone, max_refused)
        if any(option is not None for option in of_a_log) or until != "1" or dataset != "synthetic":
            raise SettingsError(
                "--from-topic reads the whole topic: leave out --dataset and what belongs to it, --until, --users, "
                "--active-days"
            )
        _until_stopped(lambda console: backfill_from_topic(configured, console))
        return
    open_registry(configured).champion()  # before anything slow: the error says how to make a model
    chosen = _user_ids(users) if users else None
    options = ReadOptions(zone, max_refused)
    log = read_log(dataset, format_name, options, settings=configured, console=Console())
    log = take_until(log, until)
    within = None if active_days is None else round(active_days * DAY_MS)
    clicks = of_users(log.clicks, users=chosen, active_within=within)
    if clicks.is_empty():
        raise DatasetError(f"no clicks of {dataset} are left; choose a later --until or other --users")
    _until_stopped(lambda console: backfill_and_show(log, clicks, settings=configured, console=console))


def _until_stopped(work: Callable[[Console], object]) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    try:
        work(console)
    except KeyboardInterrupt:
        console.print("stopped; what was written is whole, run it again for the rest")
        raise typer.Exit(130) from None


def _user_ids(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--users") from None
    return [line.strip() for line in lines if line.strip()]
