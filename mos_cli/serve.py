"""``mos serve``: the recommendation service in the foreground."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from mos_cli.stopping import catch_sigterm, until_stopped
from mos_online.errors import ServingError
from mos_online.settings import Settings

if TYPE_CHECKING:
    import httpx

app = typer.Typer()
console = Console()

START_TIMEOUT = 60.0
"""Seconds between the application's start on Ray and its first answer over HTTP."""
CHECK_EVERY = 1.0
"""Seconds between looks at Ray's processes."""


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default: MOS_SERVE_HOST or 127.0.0.1).")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (default: MOS_SERVE_PORT or 8000).")] = None,
    replicas: Annotated[
        int | None, typer.Option(help="Processes that answer (default: MOS_SERVE_REPLICAS or 1).")
    ] = None,
) -> None:
    """Answer POST /v1/recommend with the model in service, until stopped with Ctrl-C or SIGTERM.

    Starts Ray on this machine, or uses the cluster of RAY_ADDRESS. Follows the model registry: a version that is
    promoted later goes into service without a restart. The API is described at /docs and /openapi.json.
    """
    from mos_online.registry import open_registry  # noqa: PLC0415
    from serving.ray.cluster import cluster_application, local_application  # noqa: PLC0415
    from serving.ray.environment import remote  # noqa: PLC0415
    from serving.ray.run import run_folder  # noqa: PLC0415

    settings = Settings.load(serve_host=host, serve_port=port, serve_replicas=replicas)
    open_registry(settings).champion()  # no model: say so now, not after Ray's start
    started = time.monotonic()
    with until_stopped(console), ExitStack() as stack:
        check: Callable[[], None] | None = None
        with console.status("Starting Ray and the service, about 20 seconds"):
            if remote():
                stack.enter_context(cluster_application(settings))
            else:
                folder = stack.enter_context(run_folder(settings))
                check = stack.enter_context(local_application(settings, folder))
        catch_sigterm()  # Ray has put its own handler there
        _announce(settings, _wait_for_model(settings), time.monotonic() - started)
        while True:
            if check:
                check()
            time.sleep(CHECK_EVERY)


def _wait_for_model(settings: Settings) -> dict[str, Any]:
    """What /v1/model answers, once it does."""
    import httpx  # noqa: PLC0415

    headers = {"X-API-Key": settings.api_key} if settings.api_key else {}
    deadline = time.monotonic() + START_TIMEOUT
    answer: httpx.Response | str = "nothing"
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{_url(settings)}/v1/model", headers=headers, timeout=5)
        except httpx.HTTPError as error:
            answer = str(error)
        else:
            if answer.status_code == httpx.codes.OK:
                body: dict[str, Any] = answer.json()
                return body
        time.sleep(0.1)
    raise ServingError(f"the service runs but {_url(settings)} does not answer: {answer}")


def _url(settings: Settings) -> str:
    """Where this machine reaches the service."""
    if settings.serve_host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return f"http://127.0.0.1:{settings.serve_port}"
    return settings.recommend_url


def _announce(settings: Settings, model: dict[str, Any], seconds: float) -> None:
    url = _url(settings)
    console.print(f"[bold green]ready[/] after {seconds:.0f} s: POST {url}/v1/recommend", soft_wrap=True)
    console.print(f"reference at {url}/docs", soft_wrap=True)
    console.print(f"model {model['model_version']}, router {model['router_version']}")
    for theme in model["themes"][1:]:
        console.print(f"  theme {theme['theme']}: {escape(theme['label'])}", highlight=False)
    if settings.api_key is None and settings.serve_host not in {"127.0.0.1", "localhost", "::1"}:
        console.print("[yellow]no API key is set (MOS_API_KEY): whoever reaches this port may ask[/]")
