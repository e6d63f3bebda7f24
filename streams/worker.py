"""Runs the chosen parts in one Faust application until a signal or a failure."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Collection
from typing import Any

from mos_online.settings import Settings
from streams.app import faust_app
from streams.health import health_server
from streams.outbox import Outbox
from streams.part import Context, Part

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


async def run_worker(settings: Settings, only: Collection[str]) -> signal.Signals:
    """Work until SIGINT or SIGTERM, finish what is begun, and return the signal.

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

    context = Context(settings=settings, outbox=Outbox(settings), fail=fail)
    app = faust_app(settings)
    parts = [make(context) for name, make in PARTS.items() if name in only]
    assigned = _follow_assignment(app, parts)
    for part in parts:
        part.register(app)
    with health_server(settings.worker_port, lambda: assigned.is_set() and all(part.ready for part in parts)):
        starting = asyncio.create_task(app.start())
        try:
            await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and not stop.done():
                starting.result()
                log.info("started: %s", ", ".join(only))
            return await stop
        finally:
            healthy = stop.done() and stop.exception() is None
            if healthy:
                for part in parts:
                    await part.close()
            await app.stop()
            if healthy:
                await context.outbox.flush()


def _follow_assignment(app: Any, parts: list[Part]) -> asyncio.Event:
    """Tell the parts which partitions are theirs; the event is set while any are."""
    some = asyncio.Event()

    async def on_assigned(_app: Any, assigned: Any, **_: Any) -> None:
        mine: dict[str, set[int]] = {}
        for partition in assigned:
            mine.setdefault(partition.topic, set()).add(partition.partition)
        for part in parts:
            part.assigned(mine)
        if mine:
            some.set()

    async def on_revoked(_app: Any, revoked: Any, **_: Any) -> None:
        some.clear()
        for part in parts:
            part.revoked()

    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_partitions_revoked.connect(on_revoked, weak=False)
    return some
