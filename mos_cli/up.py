"""``mos up``: all services of this machine, until stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from mos_online.settings import Settings

app = typer.Typer()


@app.command()
def up(
    learn: Annotated[
        bool, typer.Option("--learn", help="Start the learner, too (default: what is served is fixed).")
    ] = False,
) -> None:
    """Start Kafka (if embedded), the recommendation service and the stream worker, and keep them until Ctrl-C.

    Without a model they wait for one: make it with `mos train`, at any time. Send clicks with `mos replay` or your own
    producer; watch with `mos topics tail`. Logs are in MOS_HOME/logs. A service that ends is started again, with the
    end of its log shown. If that happens six times within ten minutes, all are stopped.
    """
    from mos_cli.supervisor import Supervisor, local_services, services_lock  # noqa: PLC0415
    from mos_online.errors import MosError  # noqa: PLC0415
    from mos_online.ports import keep_port  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415

    console = Console()
    configured = settings()
    missing = _missing_model(configured)
    learner = () if learn else None
    with services_lock(configured.home), Supervisor(configured.home / "logs") as supervisor:
        try:
            for port in (configured.serve_port, configured.worker_port, *([configured.learn_port] if learn else [])):
                if not keep_port(port):
                    raise MosError(f"port {port} is kept by another `mos demo` or `mos up`; choose another one")
            for service in local_services(configured, probe="healthz" if missing else "readyz", learn=learner):
                console.print(f"starting {service.name} ...")
                supervisor.start(service)
            if missing:
                console.print(f"[yellow]waiting for a model[/]: {escape(missing)}", highlight=False, soft_wrap=True)
            else:
                _announce(configured, console)
            while True:
                time.sleep(1)
                supervisor.tend(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
                if missing and all(service.ready() for service in local_services(configured, learn=learner)):
                    missing = None
                    _announce(configured, console)
        except KeyboardInterrupt:
            console.print("stopping ...")
            raise typer.Exit(130) from None


def _missing_model(settings: Settings) -> str | None:
    """Why there is no model, and how to make one; None if there is one."""
    from mos_online.errors import ModelError  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415

    try:
        open_registry(settings).champion()
    except ModelError as error:
        return str(error)
    return None


def _announce(settings: Settings, console: Console) -> None:
    url = f"{settings.recommend_url}/v1/recommend"
    console.print(f"[green]ready[/]: POST {url}. Ctrl-C stops everything.", soft_wrap=True)
