"""``mos kafka``: a broker in the foreground, the embedded one or Apache Kafka."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mos_cli.stopping import until_stopped
from mos_online.errors import SettingsError

app = typer.Typer()
console = Console()


@app.command()
def kafka(
    real: Annotated[
        bool, typer.Option("--real", help="Run Apache Kafka itself, which needs Java and Maven, and keep the data.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of Apache Kafka, on 127.0.0.1 (default: 9092).")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Of Apache Kafka's data and log (default: kafka in MOS_HOME).")
    ] = None,
) -> None:
    """Run a Kafka broker until Ctrl-C or SIGTERM, on 127.0.0.1, for development and tests.

    The embedded one runs in this process, in memory. Other commands of the same MOS_HOME find it by themselves while
    MOS_KAFKA is "embedded", its default. It keeps the last 5 MiB or 100,000 messages of each partition and forgets
    everything when it stops.

    With --real it is Apache Kafka on one node: its data is there again after a restart. Other commands find it when
    MOS_KAFKA is set as the first lines of output say. The first run fetches 45 MB with Maven.
    """
    if not real and (port is not None or folder is not None):
        raise SettingsError("--port and --dir are for Apache Kafka: give --real with them")
    with until_stopped(console):
        if real:
            _apache(9092 if port is None else port, folder)
        else:
            _embedded()


def _embedded() -> None:
    from mos_online.settings import settings  # noqa: PLC0415
    from streams.broker.embedded import embedded_broker  # noqa: PLC0415

    configured = settings()
    with embedded_broker(configured) as bootstrap:
        topics = f"{configured.partitions} partitions per topic"
        console.print(f"[green]ready[/]: {bootstrap}, {topics}", highlight=False)
        while True:
            signal.pause()


def _apache(port: int, folder: Path | None) -> None:
    from mos_online.ports import HOST  # noqa: PLC0415
    from mos_online.settings import Settings  # noqa: PLC0415
    from streams.broker.apache import apache_broker  # noqa: PLC0415
    from streams.broker.java import KAFKA_VERSION, cached_class_path, java  # noqa: PLC0415
    from streams.kafka.admin import create_topics  # noqa: PLC0415

    # The broker that we start has one listener, without security, whatever the environment says of another cluster.
    configured = Settings.load(kafka=f"{HOST}:{port}", kafka_security_protocol="PLAINTEXT")
    folder = folder or configured.home / "kafka"
    java()
    if cached_class_path() is None:
        console.print(f"fetching Apache Kafka {KAFKA_VERSION} with Maven, 45 MB, once")
    with apache_broker(folder, port=port, properties={"num.partitions": str(configured.partitions)}) as broker:
        create_topics(configured, replication=1)
        console.print(
            f"[green]ready[/]: {broker.bootstrap}, Apache Kafka {KAFKA_VERSION}, {configured.partitions} partitions "
            f"per topic, data in {folder}",
            highlight=False,
            soft_wrap=True,
        )
        console.print(f"export MOS_KAFKA={broker.bootstrap}", highlight=False)
        broker.wait()
