"""``mos worker``: stream processors in the foreground."""

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
            help="What to run, separated by commas: sessionizer, profiler, recommender, popularity, joiner "
            "(default: all)."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of /metrics and /healthz (default: MOS_WORKER_PORT or 6066).")
    ] = None,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Go on where Kafka has dropped records that were not read yet (default: stop with an error).",
        ),
    ] = False,
) -> None:
    """Turn clicks into sessions, profiles and recommendations until Ctrl-C or SIGTERM.

    Start as many workers as you like: they share the partitions. Each needs a port of its own. With --only each worker
    runs some of the processors. The others need what the sessionizer publishes, so one worker must run it.
    """
    from mos_online.settings import Settings  # noqa: PLC0415
    from streams.runtime.repeats import RepeatFilter  # noqa: PLC0415
    from streams.runtime.worker import PROCESSORS, run_worker  # noqa: PLC0415

    settings = Settings.load(worker_port=port)
    chosen = [name.strip() for name in only.split(",")] if only else list(PROCESSORS)
    unknown = sorted(set(chosen) - PROCESSORS.keys())
    if unknown:
        raise SettingsError(
            f"--only {only}: no processor is called {', '.join(unknown)}; there are {', '.join(PROCESSORS)}"
        )
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("faust", "mode", "aiokafka", "httpx"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a look that comes late does no harm
    for handler in logging.getLogger().handlers:
        handler.addFilter(RepeatFilter("aiokafka"))
    with asyncio.Runner(loop_factory=_loop) as runner:
        received = runner.run(run_worker(settings, chosen, accept_loss=accept_loss))
    if received == signal.SIGINT:
        raise typer.Exit(130)


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415

    return uvloop.new_event_loop()
