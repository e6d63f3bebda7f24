"""``mos worker``: the stream processor in the foreground."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Annotated

import typer

from mos_online.errors import SettingsError

app = typer.Typer()


@app.command()
def worker(
    only: Annotated[
        str | None,
        typer.Option(
            help="Parts to run, separated by commas: sessionizer, profiler, recommender, activity [default: all]."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of /metrics and /healthz [default: MOS_WORKER_PORT or 6066].")
    ] = None,
) -> None:
    """Turn clicks into sessions, profiles and recommendations until Ctrl-C or SIGTERM.

    Start as many as you like: they share the partitions. Each needs a port of its own. Workers that run different
    parts need different values of MOS_NAMESPACE or must run all parts alike: they are one consumer group.
    """
    from mos_online.settings import Settings  # noqa: PLC0415
    from streams.worker import PARTS, run_worker  # noqa: PLC0415

    settings = Settings.load(worker_port=port)
    chosen = [name.strip() for name in only.split(",")] if only else list(PARTS)
    unknown = sorted(set(chosen) - PARTS.keys())
    if unknown:
        raise SettingsError(f"--only {only}: no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("faust", "mode", "aiokafka", "httpx"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    with asyncio.Runner(loop_factory=_loop) as runner:
        received = runner.run(run_worker(settings, chosen))
    if received == signal.SIGINT:
        raise typer.Exit(130)


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415

    return uvloop.new_event_loop()
