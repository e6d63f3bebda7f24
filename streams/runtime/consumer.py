"""A processor at work: its own Faust application, and so its own consumer group."""

from __future__ import annotations

import logging
import time
from typing import Any

from mos_online.errors import BrokerError, MosError
from streams import metrics
from streams.processors.base import Processor, Timer, WorkerContext
from streams.runtime.app import faust_app, raw_topics
from streams.runtime.broker_watch import BrokerWatch

STUCK = 60.0
"""Seconds without progress, although there are records, after which the processor counts as stuck."""

log = logging.getLogger(__name__)


class ProcessorConsumer:
    """One processor as a consumer of its consumer group.

    Every processor has a group of its own: a rebalance, a full buffer or a slow service of one is never felt by
    another (docs/adr/0010), and processors may be spread over workers at will.

    Attributes:
        name: of the processor.
        processor: what is done with the records.
    """

    def __init__(
        self, processor: Processor[Any], context: WorkerContext, brokers: BrokerWatch, *, partitions: int
    ) -> None:
        self.name = processor.name
        self.processor = processor
        self._context = context
        self._brokers = brokers
        self._joined = False
        self._progress = Progress()
        self._app: Any = faust_app(context.settings, self.name, partitions=partitions, context=context)
        topics = raw_topics(self._app, context.settings, processor.topic, *processor.beside)
        self._app.agent(topics, name=self.name)(processor.run)
        for timer in processor.timers():
            self._add(timer)
        self._app.on_partitions_assigned.connect(self._assigned, weak=False)
        self._app.on_partitions_revoked.connect(self._revoked, weak=False)
        self._app.timer(1.0, name=f"{self.name}-progress")(self._measure)

    def _add(self, timer: Timer) -> None:
        async def act() -> None:
            await self.processor.run_timer(timer)

        self._app.timer(timer.seconds, name=f"{self.name}-{timer.name}")(act)

    async def run(self) -> None:
        """Run until stopped.

        Raises:
            BrokerError: Faust has given up.
        """
        await self._app.start()
        await self._app.wait_until_stopped()
        if self._app.crashed:
            raise BrokerError(f"the connection to Kafka has failed for good: {self._app.crash_reason!r}")

    async def stop(self, *, finish: bool) -> None:
        """Leave the group; ``finish`` says whether the processor may still store what it has done."""
        if finish:
            self._app.on_before_shutdown.connect(self._close, weak=False)
        await self._app.stop()

    def trouble(self) -> str | None:
        """Why it is not well, None if it is."""
        if not self._joined:
            return "waiting for partitions"
        if not self.processor.ready:
            return "restoring open sessions"
        silent = time.monotonic() - self._app.consumer.polled_at
        if silent > STUCK:
            return f"no look for new records for {silent:.0f} s"
        stuck = self._progress.stuck_for(time.monotonic())
        if stuck > STUCK and self.processor.waiting is None:
            return f"records wait, and nothing has been committed for {stuck:.0f} s"
        return None

    async def _assigned(self, _app: Any, assigned: Any, **_: Any) -> None:
        mine: dict[str, set[int]] = {}
        for tp in assigned:
            mine.setdefault(tp.topic, set()).add(tp.partition)
        self.processor.assigned(mine)
        self._progress = Progress()
        self._joined = True

    async def _revoked(self, _app: Any, revoked: Any, **_: Any) -> None:
        self._joined = False
        try:
            await self.processor.revoked()
        except MosError as error:
            self._context.fail(error)

    async def _measure(self) -> None:
        lag, committed = self._app.consumer.progress()
        metrics.STALE_MODEL.labels(self.name).set(self.processor.model_problem is not None)
        metrics.LAG.labels(self.name).set(lag)
        if self._brokers.trouble is None:
            self._progress.note(time.monotonic(), lag=lag, committed=committed)
        else:
            self._progress = Progress()  # there is none, and it is not our fault

    async def _close(self, _app: Any, **_: Any) -> None:
        """A failure leaves work for the next start, but loses nothing."""
        try:
            await self.processor.close()
        except MosError as error:
            log.error("stopping %s: %s", self.name, error)


class Progress:
    """Notices that records wait while nothing is committed; time is given, in seconds of any one clock.

    >>> progress = Progress()
    >>> progress.note(0, lag=5, committed=10)
    >>> progress.note(9, lag=7, committed=10)
    >>> progress.stuck_for(10)
    10.0
    >>> progress.note(11, lag=6, committed=11)
    >>> progress.stuck_for(12)
    1.0
    """

    def __init__(self) -> None:
        self._committed = -1
        self._since: float | None = None

    def note(self, now: float, *, lag: int, committed: int) -> None:
        """How many records wait, and the sum of the committed offsets."""
        if lag == 0:
            self._since = None
        elif self._since is None or committed != self._committed:
            self._since = now
        self._committed = committed

    def stuck_for(self, now: float) -> float:
        """Seconds since records began to wait, or since the last commit thereafter."""
        return 0.0 if self._since is None else float(now - self._since)
