"""Runs the chosen parts until a signal or a failure."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Collection
from typing import Any

from mos_online.settings import Settings
from streams.admin import check_topics
from streams.health import health_server
from streams.member import Member
from streams.part import Context, Part

STOP_TIMEOUT = 20.0

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
    running = [Member(name, PARTS[name](context), context, partitions=partitions) for name in PARTS if name in only]
    with health_server(settings.worker_port, lambda: _report(running)):
        lives = [asyncio.create_task(member.live()) for member in running]
        waiting: set[asyncio.Future[Any]] = {stop, *lives}
        try:
            while not stop.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for future in done - {stop}:
                    future.result()
            return stop.result()
        finally:
            healthy = stop.done() and stop.exception() is None
            try:
                await asyncio.wait_for(asyncio.gather(*(m.stop(finish=healthy) for m in running)), STOP_TIMEOUT)
            except TimeoutError:
                log.error("did not stop within %.0f s; what is unfinished is done again", STOP_TIMEOUT)
            for life in lives:
                life.cancel()


def _report(running: list[Member]) -> tuple[bool, str]:
    """Whether the worker is alive, and what there is to say about it."""
    troubles = [f"{member.name}: {trouble}" for member in running if (trouble := member.trouble())]
    if troubles:
        return False, "; ".join(troubles)
    waits = [f"{member.name} waits: {member.part.waiting}" for member in running if member.part.waiting]
    return True, "; ".join(["ok", *waits])
