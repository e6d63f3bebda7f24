"""The thread in which aiokafka's consumer runs: see ``streams.runtime.transport``."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP
from mode.threads import WorkerThread

from streams.processors.retry import FIRST, LONGEST
from streams.runtime.coordination import FATAL, keep_in_group
from streams.runtime.membership import watch
from streams.runtime.unpacking import install

FETCH_WAIT_MS = 20

THREAD_ENDS = 3.0
"""Seconds that the thread of a consumer may take to end."""

log = logging.getLogger(__name__)


class _DaemonThread(WorkerThread):  # type: ignore[misc]
    """The thread of a consumer, which does not keep the process alive; one may wait for a broker for ever."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True

    def stop(self) -> None:
        """Wait for its end, but not for ever: that holds up the event loop."""
        self.is_stopped.wait(THREAD_ENDS)


class PromptThread(AIOKafkaConsumerThread):  # type: ignore[misc] # Faust's own types are not checked here
    """Creates consumers whose fetches wait briefly and give light records."""

    Worker = _DaemonThread

    def _create_worker_consumer(self, transport: Any) -> Any:
        install()
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # both are read when the consumer starts
        consumer._isolation_level = "read_committed"  # as `LogReader`; Faust ties it to its own transactions
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False if that did not work now. Faust crashes on every error but a rebalance that has ended."""
        if not offsets.keys() <= self.assignment():
            return False  # a rebalance was faster
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            await self._ensure_consumer().commit(wanted)
        except (CommitFailedError, IllegalStateError):
            return False  # a rebalance was faster
        except KafkaError as error:
            if isinstance(error, FATAL):
                await self.crash(error)
            else:
                log.warning("cannot commit, trying again: %r", error)
            return False
        self.tp_last_committed_at.update(dict.fromkeys(offsets, time.monotonic()))
        return True

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Seek every assigned partition to its committed offset, or to its beginning if it has none.

        Returns:
            The committed offset of each partition that was sought; None if it has none.
        """
        found: Mapping[TP, int | None] = await self.call_thread(self._seek_to_committed)
        return found

    async def _seek_to_committed(self) -> Mapping[TP, int | None]:
        """Aiokafka asks for one offset after the other, and seeks in an assignment that may have become another."""
        consumer = self._ensure_consumer()
        while tps := consumer.assignment():
            assignment = consumer._subscription.subscription.assignment
            committed = {tp: await consumer.committed(tp) for tp in tps}
            if consumer._subscription.subscription.assignment is assignment:
                break
        else:
            return {}
        for tp, offset in committed.items():
            if offset:
                consumer.seek(tp, offset)
        fresh = [tp for tp, offset in committed.items() if not offset]
        if fresh:  # aiokafka leaves them where they are, behind what was fetched and has been thrown away
            await consumer.seek_to_beginning(*fresh)
        return {TP(*tp): offset or None for tp, offset in committed.items()}

    async def on_start(self) -> None:
        """Connect to Kafka, for as long as it takes."""
        pause = FIRST
        while True:
            try:
                await super().on_start()
            except (OSError, KafkaError) as error:
                if isinstance(error, FATAL):
                    raise
                log.warning("waiting for Kafka: %s", error)
                await self._ensure_consumer().stop()
            else:
                coordinator = self._ensure_consumer()._coordinator
                watch(coordinator, self.transport.context.lease)
                keep_in_group(coordinator, self.crash)
                return
            if await self.wait_for_stopped(timeout=pause):
                return
            pause = min(2 * pause, LONGEST)
