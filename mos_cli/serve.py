"""``mos serve``: the recommendation service in the foreground."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from mos_cli.stopping import catch_signals, until_stopped
from mos_online.errors import ServingError
from mos_online.processes import StalledError, wait_until, work_of
from mos_online.settings import Settings

app = typer.Typer()
console = Console()

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
    promoted later goes into service without a restart, the first one too. The API is described at /docs and
    /openapi.json.
    """
    from mos_online.registry import open_registry  # noqa: PLC0415
    from serving.http.keys import open_keys  # noqa: PLC0415
    from serving.ray.cluster import cluster_application, local_application  # noqa: PLC0415
    from serving.ray.environment import remote, require_plain_paths  # noqa: PLC0415
    from serving.ray.run import run_folder  # noqa: PLC0415

    settings = Settings.load(serve_host=host, serve_port=port, serve_replicas=replicas)
    open_registry(settings)  # what is wrong with the settings is said now, not after Ray's start
    open_keys(settings)
    if not remote():
        require_plain_paths()
    started = time.monotonic()
    with until_stopped(console), ExitStack() as stack:
        check: Callable[[], None] | None = None
        with console.status("Starting Ray and the service, about 20 seconds"):
            if remote():
                stack.enter_context(cluster_application(settings))
            else:
                folder = stack.enter_context(run_folder(settings))
                check = stack.enter_context(local_application(settings, folder))
        catch_signals()  # Ray has put its own handler there
        _wait_for_answer(settings)
        _announce(settings, time.monotonic() - started)
        while True:
            if check:
                check()
            time.sleep(CHECK_EVERY)


def _wait_for_answer(settings: Settings) -> None:
    """Return once the service answers over HTTP, with or without a model; wait for as long as it works."""
    said: list[object] = ["nothing"]

    def answers() -> bool:
        try:
            return _get(settings, "/healthz") is not None
        except OSError as error:
            said.append(error)
            return False

    try:
        wait_until(answers, progress=lambda: work_of(os.getpid()))
    except StalledError as stalled:
        raise ServingError(
            f"the service runs but {settings.local_serve_url} does not answer ({said[-1]}): {stalled}"
        ) from None


def _get(settings: Settings, path: str) -> dict[str, Any] | None:
    """The JSON at ``path``; None if the status is not 200. Raises OSError if nothing answers."""
    import httpx  # noqa: PLC0415

    headers = {"X-API-Key": settings.api_key} if settings.api_key else {}
    try:
        answer = httpx.get(f"{settings.local_serve_url}{path}", headers=headers, timeout=5, trust_env=False)
    except httpx.HTTPError as error:
        raise OSError(str(error)) from None
    return answer.json() if answer.status_code == httpx.codes.OK else None


def _announce(settings: Settings, seconds: float) -> None:
    url = settings.local_serve_url
    problem = "; ".join((_get(settings, "/healthz") or {}).get("details", []))
    model = _get(settings, "/v1/model")
    word = "[bold yellow]waiting for a model[/]" if problem and not model else "[bold green]ready[/]"
    console.print(f"{word} after {seconds:.0f} s: POST {url}/v1/recommend", soft_wrap=True)
    console.print(f"reference at {url}/docs", soft_wrap=True)
    if problem:
        console.print(f"[yellow]{escape(problem)}[/]", highlight=False, soft_wrap=True)
    if model:
        console.print(f"model {model['model_version']}, router {model['router_version']}")
        for theme in model["themes"][1:]:
            console.print(f"  theme {theme['theme']}: {escape(theme['label'])}", highlight=False)
    keyless = settings.api_key is None and settings.api_keys_file is None
    if keyless and settings.serve_host not in {"127.0.0.1", "localhost", "::1"}:
        console.print(
            "[yellow]no key is asked for (MOS_API_KEYS_FILE, MOS_API_KEY): whoever reaches this port may ask[/]"
        )
