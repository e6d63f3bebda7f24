"""``mos kafka``: the embedded broker in the foreground."""

from __future__ import annotations

import signal
from types import FrameType

import typer
from rich.console import Console

app = typer.Typer()


class _Stop(BaseException):
    """SIGTERM arrived."""


@app.command()
def kafka() -> None:
    """Run a Kafka broker in this process until Ctrl-C or SIGTERM: in memory, on 127.0.0.1, for development and tests.

    Other commands of the same MOS_HOME find it by themselves while MOS_KAFKA is "embedded", its default. It keeps the
    last 5 MiB or 100,000 messages of each partition and forgets everything when it stops.
    """
    from mos_online.settings import settings  # noqa: PLC0415
    from streams.broker.embedded import embedded_broker  # noqa: PLC0415

    console = Console()
    configured = settings()
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        with embedded_broker(configured) as bootstrap:
            topics = f"{configured.partitions} partitions per topic"
            console.print(f"[green]ready[/]: {bootstrap}, {topics}", highlight=False)
            while True:
                signal.pause()
    except _Stop:
        console.print("stopped")
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None


def _on_sigterm(_signum: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # we are stopping already
    raise _Stop
