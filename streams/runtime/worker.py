"""Runs the chosen processors until a signal or a failure."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Collection
from typing import Any

from mos_online.settings import Settings
from streams.kafka.admin import check_topics
from streams.processors.base import Processor, WorkerContext
from streams.runtime.consumer import ProcessorConsumer
from streams.runtime.health import health_server

STOP_TIMEOUT = 20.0

log = logging.getLogger(__name__)


def _sessionizer(context: WorkerContext) -> Processor[Any]:
    from streams.processors.sessionizer.processor import SessionizerProcessor  # noqa: PLC0415

    return SessionizerProcessor(context)


def _profiler(context: WorkerContext) -> Processor[Any]:
    from streams.processors.profiler import ProfilerProcessor  # noqa: PLC0415 - Feast takes seconds to import

    return ProfilerProcessor(context)


def _recommender(context: WorkerContext) -> Processor[Any]:
    from streams.processors.recommender import RecommenderProcessor  # noqa: PLC0415

    return RecommenderProcessor(context)


def _popularity(context: WorkerContext) -> Processor[Any]:
    from streams.processors.popularity import PopularityProcessor  # noqa: PLC0415

    return PopularityProcessor(context)


PROCESSORS: dict[str, Callable[[WorkerContext], Processor[Any]]] = {
    "sessionizer": _sessionizer,
    "profiler": _profiler,
    "recommender": _recommender,
    "popularity": _popularity,
}


async def run_worker(settings: Settings, only: Collection[str], *, accept_loss: bool = False) -> signal.Signals:
    """Work until SIGINT or SIGTERM, finish what is begun, and return the signal.

    Args:
        settings: of everything.
        only: names in ``PROCESSORS``.
        accept_loss: go on where records are gone that were needed, instead of failing.

    Raises:
        MosError: a processor failed for good; everything unfinished is done again after a restart.
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
    context = WorkerContext(settings=settings, fail=fail, accept_loss=accept_loss)
    running = [
        ProcessorConsumer(PROCESSORS[name](context), context, partitions=partitions)
        for name in PROCESSORS
        if name in only
    ]
    with health_server(settings.worker_host, settings.worker_port, lambda: _report(running)):
        tasks = [asyncio.create_task(consumer.run()) for consumer in running]
        waiting: set[asyncio.Future[Any]] = {stop, *tasks}
        try:
            while not stop.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if stop not in done:  # else it has the first error, of which the others are consequences
                    for future in done:
                        future.result()
            return stop.result()
        finally:
            healthy = stop.done() and stop.exception() is None
            try:
                await asyncio.wait_for(asyncio.gather(*(m.stop(finish=healthy) for m in running)), STOP_TIMEOUT)
            except TimeoutError:
                log.error("did not stop within %.0f s; what is unfinished is done again", STOP_TIMEOUT)
            for task in tasks:
                task.cancel()


def _report(running: list[ProcessorConsumer]) -> tuple[bool, str]:
    """Whether the worker is alive, and what there is to say about it."""
    troubles = [f"{consumer.name}: {trouble}" for consumer in running if (trouble := consumer.trouble())]
    if troubles:
        return False, "; ".join(troubles)
    waits = [
        f"{consumer.name} waits: {consumer.processor.waiting}" for consumer in running if consumer.processor.waiting
    ]
    older = [
        f"{consumer.name} stays with an older model: {consumer.processor.model_problem}"
        for consumer in running
        if consumer.processor.model_problem
    ]
    return True, "; ".join(["ok", *waits, *older])
