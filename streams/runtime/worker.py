"""Runs the chosen processors until a signal or a failure."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from monitoring.server import health_server
from mos_online.health import Health
from mos_online.settings import Settings
from streams.kafka.limits import largest_records
from streams.processors.base import Processor, WorkerContext
from streams.processors.lease import Lease
from streams.runtime.app import SESSION_TIMEOUT
from streams.runtime.broker_watch import BrokerWatch
from streams.runtime.consumer import ProcessorConsumer
from streams.runtime.model_wait import ModelWait

NEED_MODEL = {"profiler", "popularity"}
"""Processors that need a model to start."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_TIMEOUT = 20.0
STOP_AWAY = 2.0
"""Seconds to finish in while Kafka is away, and nothing can be stored."""

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


def _joiner(context: WorkerContext) -> Processor[Any]:
    from streams.processors.joiner.processor import JoinerProcessor  # noqa: PLC0415

    return JoinerProcessor(context)


PROCESSORS: dict[str, Callable[[WorkerContext], Processor[Any]]] = {
    "sessionizer": _sessionizer,
    "profiler": _profiler,
    "recommender": _recommender,
    "popularity": _popularity,
    "joiner": _joiner,
}


async def run_worker(settings: Settings, only: Collection[str], *, accept_loss: bool = False) -> signal.Signals:
    """Work until SIGINT, SIGTERM or SIGHUP, finish what is begun, and return the signal.

    A Kafka that does not answer, and topics that do not exist, are waited for: at the start and later. Processors that
    need a model wait for the first one, and the others with them.

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

    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` leaves SIGHUP
            loop.add_signal_handler(number, received, number)

    def fail(error: Exception) -> None:
        if not stop.done():
            stop.set_exception(error)

    brokers, models = BrokerWatch(settings), ModelWait(settings)
    running: list[ProcessorConsumer] = []
    context = WorkerContext(settings=settings, fail=fail, accept_loss=accept_loss)

    async def work() -> None:
        if NEED_MODEL & set(only):
            await models.ready()
        partitions = await brokers.ready()
        sized = replace(context, largest=await asyncio.to_thread(largest_records, settings))
        for name in [name for name in PROCESSORS if name in only]:
            own = replace(sized, lease=Lease(SESSION_TIMEOUT))
            running.append(ProcessorConsumer(PROCESSORS[name](own), own, brokers, partitions=partitions))
        await _first_error([brokers.run(), *(consumer.run() for consumer in running)])

    alive, ready = partial(_report, brokers, models, running), partial(_ready, brokers, models, running)
    with health_server(settings.worker_host, settings.worker_port, alive, ready, namespace=settings.namespace):
        working = asyncio.create_task(work())
        try:
            either: set[asyncio.Future[Any]] = {stop, working}
            done, _ = await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if stop not in done:  # else it has the first error, of which the others are consequences
                working.result()
            return await stop
        finally:
            healthy = stop.done() and stop.exception() is None
            patience = STOP_TIMEOUT if brokers.trouble is None else STOP_AWAY
            try:
                await asyncio.wait_for(asyncio.gather(*(m.stop(finish=healthy) for m in running)), patience)
            except TimeoutError:
                log.error("did not stop within %.0f s; what is unfinished is done again", patience)
            for consumer in running:
                consumer.processor.producer.abandon()
            working.cancel()


async def _first_error(endless: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait until one of these ends, which never do but by an error."""
    waiting: set[asyncio.Task[None]] = {asyncio.create_task(each) for each in endless}
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()
    finally:
        for future in waiting:
            future.cancel()


def _report(brokers: BrokerWatch, models: ModelWait, running: list[ProcessorConsumer]) -> Health:
    """Whether the worker is alive, and what there is to say about it. Nothing is its fault while Kafka is away."""
    if models.trouble is not None:
        return Health(program="worker", status="alive", details=[f"the worker waits for a model: {models.trouble}"])
    if brokers.trouble is not None:
        return Health(program="worker", status="alive", details=[f"the worker waits for Kafka: {brokers.trouble}"])
    troubles = [f"{consumer.name}: {trouble}" for consumer in running if (trouble := consumer.trouble())]
    if troubles:
        return Health(program="worker", status="failing", details=troubles)
    waits = [
        f"{consumer.name} waits: {consumer.processor.waiting}" for consumer in running if consumer.processor.waiting
    ]
    older = [
        f"{consumer.name} stays with an older model: {consumer.processor.model_problem}"
        for consumer in running
        if consumer.processor.model_problem
    ]
    lost = [consumer.processor.store_problem for consumer in running if consumer.processor.store_problem]
    uneven = [brokers.warning] if brokers.warning else []
    return Health(program="worker", status="alive", details=[*waits, *older, *lost, *uneven])


def _ready(brokers: BrokerWatch, models: ModelWait, running: list[ProcessorConsumer]) -> Health:
    """Whether there is a model, Kafka answers and all processors have their partitions, and what to say about it."""
    health = _report(brokers, models, running)
    if not health.good:
        return health
    if brokers.trouble is None and models.trouble is None and not running:
        return Health(program="worker", status="waiting", details=["the processors start"])
    waits = brokers.trouble is not None or models.trouble is not None
    return msgspec.structs.replace(health, status="waiting" if waits else "ready")
