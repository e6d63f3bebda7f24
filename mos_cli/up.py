"""``mos up``: all services of this machine, until stopped."""

from __future__ import annotations

import time

import typer
from rich.console import Console

app = typer.Typer()


@app.command()
def up() -> None:
    """Start Kafka (if embedded), the recommendation service and the stream worker, and keep them until Ctrl-C.

    Needs a model (`mos train`). Send clicks with `mos replay` or your own producer; watch with `mos topics tail`.
    Logs are in MOS_HOME/logs. A service that ends is started again, with the end of its log shown. If that happens six
    times within ten minutes, all are stopped.
    """
    from mos_cli.supervisor import Supervisor, local_services, services_lock  # noqa: PLC0415
    from mos_online.errors import MosError  # noqa: PLC0415
    from mos_online.ports import keep_port  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    console = Console()
    configured = settings()
    open_registry(configured).champion()  # the error says how to make a model
    with services_lock(configured.home), Supervisor(configured.home / "logs") as supervisor:
        try:
            for port in (configured.serve_port, configured.worker_port):
                if not keep_port(port):
                    raise MosError(f"port {port} is kept by another `mos demo` or `mos up`; choose another one")
            for service in local_services(configured):
                console.print(f"starting {service.name} ...")
                supervisor.start(service)
            console.print(f"[green]ready[/]: POST {configured.recommend_url}/v1/recommend. Ctrl-C stops everything.")
            while True:
                time.sleep(1)
                supervisor.tend(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
        except KeyboardInterrupt:
            console.print("stopping ...")
            raise typer.Exit(130) from None
