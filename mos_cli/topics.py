"""``mos topics``: list, create and tail."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mos_online.errors import BrokerError, SettingsError

app = typer.Typer(no_args_is_help=True)
console = Console()


@app.command("list")
def list_topics() -> None:
    """Show our topics and how many partitions each has."""
    from mos_online.settings import settings  # noqa: PLC0415
    from streams.kafka.admin import topic_states  # noqa: PLC0415

    table = Table("topic", "partitions")
    for state in topic_states(settings()):
        table.add_row(state.name, str(state.partitions) if state.partitions else "[red]does not exist[/]")
    console.print(table)


@app.command()
def create(
    replication: Annotated[
        int | None,
        typer.Option(min=1, help="Copies of each partition; as many brokers are needed (default: the cluster's)."),
    ] = None,
) -> None:
    """Create the topics that do not exist, with MOS_PARTITIONS partitions each; give the others as many.

    On a cluster of your own set retention as you need it: `clicks` must be kept for longer than the longest session.
    """
    from mos_online.settings import settings  # noqa: PLC0415
    from streams.kafka.admin import create_topics, topic_states  # noqa: PLC0415

    configured = settings()
    if configured.kafka == "embedded":
        missing = [state.name for state in topic_states(configured) if not state.partitions]
        if missing:
            raise BrokerError(
                f"the embedded broker lacks {', '.join(missing)}: it makes all topics when it starts, so stop "
                "`mos kafka` and start it with the same MOS_NAMESPACE as this command"
            )
        console.print("nothing to do: the embedded broker made all topics when it started")
        return
    changed = create_topics(configured, replication=replication)
    for name, before in changed.items():
        done = f"{name} had {before} partitions and has {configured.partitions} now" if before else f"created {name}"
        console.print(done, highlight=False, soft_wrap=True)
    if not changed:
        console.print(f"nothing to do: all topics exist, with {configured.partitions} partitions")


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="clicks, sessions, recommendations, ...; without MOS_NAMESPACE.")],
    user: Annotated[str | None, typer.Option(help="Only records of this user (their key) (default: all).")] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest record kept (default: the next new one).")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many records (default: never).")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only the records, one JSON document a line (default: with position).")
    ] = False,
) -> None:
    """Print the records of a topic as they come, until Ctrl-C. If Kafka goes away, wait for it."""
    from mos_online.contracts import TOPICS  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from streams.kafka.printing import json_line, printable  # noqa: PLC0415
    from streams.kafka.tail import follow  # noqa: PLC0415

    if topic not in TOPICS:
        raise SettingsError(f"no topic is called {topic}; there are {', '.join(TOPICS)}")
    configured = settings()
    if not from_beginning:
        typer.echo(f"waiting for new records of {topic}; --from-beginning shows those that are there", err=True)
    seen = 0
    try:
        for record in follow(configured, configured.topic(topic), from_beginning=from_beginning, say=_say):
            if user is not None and record.key != user.encode():
                continue
            value = record.value
            typer.echo(json_line(value) if as_json else f"{record.partition}@{record.offset} {printable(value)}")
            seen += 1
            if seen == limit:
                return
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _say(line: str) -> None:
    typer.echo(line, err=True)
