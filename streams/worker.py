"""Runs the chosen parts in one Faust application until a signal or a failure."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Collection
from typing import Any

from mos_online.errors import BrokerError
from mos_online.settings import Settings
from streams import metrics
from streams.admin import check_topics
from streams.app import faust_app
from streams.health import health_server
from streams.part import Context, Part

STOP_TIMEOUT = 20.0
STUCK = 60.0
"""Seconds without a look for new records after which the worker calls itself unhealthy."""

log = logging.getLogger(__name__)


def _sessionizer(context: Context) -> Part:
    from streams.sessionizer import SessionizerPart  # noqa: PLC0415

    return SessionizerPart(context)


def _profiler(context: Context) -> Part:
    from streams.profiler import ProfilerPart  # noqa: PLC0415 - Feast takes seconds to import

    return ProfilerPart(context)


def _recommender(context: Context) -> Part:
    from streams.recommender import RecommenderPart  # noqa: PLC0415

    return RecommenderPart(context)


def _activity(context: Context) -> Part:
    from streams.activity import ActivityPart  # noqa: PLC0415

    return ActivityPart(context)


PARTS: dict[str, Callable[[Context], Part]] = {
    "sessionizer": _sessionizer,
    "profiler": _profiler,
    "recommender": _recommender,
    "activity": _activity,
}


async def run_worker(settings: Settings, only: Collection[str], *, accept_loss: bool = False) -> signal.Signals:
    """Work until SIGINT or SIGTERM, finish what is begun, and return the signal.

    Args:
        settings: of everything.
        only: names in ``PARTS``.
        accept_loss: go on where records are gone that were needed, instead of failing.

    Raises:
        MosError: a part failed for good; everything unfinished is done again after a restart.
    """
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[signal.Signals] = loop.create_future()

    def received(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received, number)

    def fail(error: Exception) -> None:
        if not stop.done():
            stop.set_exception(error)

    partitions = await asyncio.to_thread(check_topics, settings)
    context = Context(settings=settings, fail=fail, accept_loss=accept_loss)
    app = faust_app(settings, partitions=partitions, context=context)
    parts = [make(context) for name, make in PARTS.items() if name in only]
    health = _follow(app, parts, settings)
    with health_server(settings.worker_port, health):
        starting, crash = asyncio.create_task(app.start()), asyncio.create_task(_crash(app))
        waiting: set[asyncio.Future[Any]] = {stop, starting, crash}
        try:
            while not stop.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for future in done - {stop}:
                    future.result()
            return stop.result()
        finally:
            healthy = stop.done() and stop.exception() is None
            if healthy:
                app.on_before_shutdown.connect(_closer(parts), weak=False)
            try:
                await asyncio.wait_for(app.stop(), STOP_TIMEOUT)
            except TimeoutError:
                log.error("did not stop within %.0f s; what is unfinished is done again", STOP_TIMEOUT)
            starting.cancel()
            crash.cancel()


def _follow(app: Any, parts: list[Part], settings: Settings) -> Callable[[], str | None]:
    """Tell the parts which partitions are theirs; returns what says why the worker is not well, if it is not."""
    mine: dict[str, set[int]] = {}

    async def on_assigned(_app: Any, assigned: Any, **_: Any) -> None:
        for tp in assigned:
            mine.setdefault(tp.topic, set()).add(tp.partition)
        for part in parts:
            part.assigned(mine)

    async def on_revoked(_app: Any, revoked: Any, **_: Any) -> None:
        mine.clear()
        await asyncio.gather(*(part.revoked() for part in parts))

    async def measure() -> None:
        for topic, lag in app.consumer.lag().items():
            metrics.LAG.labels(topic).set(lag)

    def trouble() -> str | None:
        if not mine:
            return "waiting for partitions"
        if not all(part.ready for part in parts):
            return "restoring open sessions"
        silent = time.monotonic() - app.consumer.polled_at
        return f"no look for new records for {silent:.0f} s" if silent > STUCK else None

    for part in parts:
        part.register(app)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.timer(1.0, name="lag")(measure)
    return trouble


def _closer(parts: list[Part]) -> Callable[..., Any]:
    """Closes the parts when no more records come; a failure then leaves work for the next start, but loses nothing."""

    async def close(_app: Any, **_: Any) -> None:
        for done in await asyncio.gather(*(part.close() for part in parts), return_exceptions=True):
            if isinstance(done, BaseException):
                log.error("stopping: %s", done)

    return close


async def _crash(app: Any) -> None:
    """Return when Faust stops; raise if it was not asked to."""
    await app.wait_until_stopped()
    if app.crashed:
        raise BrokerError(f"the connection to Kafka has failed for good: {app.crash_reason!r}") from app.crash_reason
