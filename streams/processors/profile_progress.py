"""Writes into the online store how far the profiles have come, and notices when the store has lost some of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping

from features.store import OnlineStore
from mos_online import contracts
from mos_online.errors import BrokerError, StoreError
from mos_online.settings import Settings
from mos_online.users.progress import Progress, describe, judge
from streams import metrics
from streams.kafka.log_reader import LogReader
from streams.processors.retry import RetryPolicy, to_its_end

MORE = 100
"""So many rows at once are looked for behind the last partition."""

PERIOD = 5.0
"""Seconds between looks at the rows, whether or not there are sessions."""

log = logging.getLogger(__name__)


class ProfileProgress:
    """The rows of ``profile_progress`` of the partitions that are ours.

    A row is written after the profiles and before the sessions are acknowledged. So it is never behind what Kafka has
    committed, unless the store has lost something. The rows that were written last are remembered, to notice a store
    that is emptied, or goes back to an old copy, while it is in use. The profiler goes on: sessions that are missing
    now are not missed less later, and `mos backfill --from-topic` adds them beside it.

    The owner of the first partition deletes the rows of partitions that the topic has not: it was made anew with fewer.
    Else their losses would be reported, and their popularity counted, for ever.
    """

    def __init__(self, store: OnlineStore, settings: Settings, processor: str, *, retry: RetryPolicy) -> None:
        """Know nothing yet.

        Args:
            store: holds the rows.
            settings: of Kafka.
            processor: whose commits are compared.
            retry: of calls to the store.
        """
        self._store = store
        self._settings = settings
        self._processor = processor
        self._stores = retry
        self._brokers = RetryPolicy(on=BrokerError, retries=metrics.RETRIES.labels(processor, "kafka"))
        self._lock = asyncio.Lock()
        self._rows: dict[int, Progress] = {}
        self._ours: set[int] = set()
        self._cleared = False

    @property
    def problem(self) -> str | None:
        """What is missing in the store, of our partitions, and how to mend it."""
        return describe(self._rows.values())

    def assigned(self, partitions: set[int]) -> None:
        """These partitions are ours from now on."""
        self._ours, self._cleared = set(partitions), 0 not in partitions

    def revoked(self) -> None:
        """No partition is ours."""
        self._ours, self._rows = set(), {}
        metrics.INCOMPLETE_PARTITIONS.set(0)

    @property
    def waiting(self) -> str | None:
        """What Kafka says instead of answering; None if we do not wait for it."""
        return self._brokers.waiting

    async def take_over(self, partitions: Iterable[int]) -> None:
        """Compare the rows of partitions, where that has not been done, with what Kafka has committed."""
        async with self._lock:
            unknown = [partition for partition in partitions if partition not in self._rows]
            if unknown:
                known, ends = await self._brokers.in_thread(lambda: self._positions(unknown))
                await self._stores.in_thread(lambda: self._agree(known, known, ends))

    async def advance(self, offsets: Mapping[int, int]) -> None:
        """The profiles hold the sessions before these offsets; ``take_over`` has been called for the partitions."""
        async with self._lock:
            await self._stores.in_thread(lambda: self._advance(offsets))

    async def look(self) -> None:
        """Compare all our rows with what we know; a store or a Kafka that is away is asked again later."""
        async with self._lock:
            known = {p: row.next_offset for p, row in self._rows.items()}
            unknown = sorted(self._ours - known.keys())
            try:
                committed, ends = await to_its_end(lambda: self._positions(unknown))
                known |= committed
                await to_its_end(lambda: self._agree(known, known, ends))
                if not self._cleared:
                    await to_its_end(self._clear)
            except (StoreError, BrokerError) as error:
                log.debug("the progress of the profiles cannot be compared now: %s", error)

    def _advance(self, offsets: Mapping[int, int]) -> None:
        """Write the rows over those that we remember; ask the store only where these are not there any more."""
        before = {partition: self._rows[partition] for partition in offsets}
        rows = [before[partition].advanced(offset) for partition, offset in offsets.items()]
        lost = self._store.write_progress([row for row in rows if row is not before[row.partition]], over=before)
        self._remember([row for row in rows if row.partition not in lost])
        self._agree({partition: before[partition].next_offset for partition in lost}, offsets, {})

    def _agree(self, known: Mapping[int, int], reached: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Write rows that say what is known.

        Args:
            known: by partition, the offset that the store's row must have come to, or the store has lost something.
            reached: by partition, the offset to which the profiles have come.
            ends: the ends of partitions, where they were looked at.
        """
        waiting = set(known)
        while waiting:
            stored = self._store.read_progress(sorted(waiting))
            now = time.time_ns() // 1_000_000
            rows = {
                p: judge(stored.get(p), p, known[p], now=now, end=ends.get(p), had_row=p in self._rows) for p in waiting
            }
            for row in rows.values():
                if row is not stored.get(row.partition) and row.missing_from >= 0:
                    log.error("%s", describe([row]))
            rows = {p: row.advanced(reached[p]) for p, row in rows.items()}
            lost = self._store.write_progress([row for p, row in rows.items() if row is not stored.get(p)], over=stored)
            self._remember([row for p, row in rows.items() if p not in lost])
            waiting = lost

    def _remember(self, rows: Iterable[Progress]) -> None:
        self._rows |= {row.partition: row for row in rows}
        metrics.INCOMPLETE_PARTITIONS.set(sum(row.missing_from >= 0 for row in self._rows.values()))

    def _clear(self) -> None:
        """Delete the rows behind the last partition of the topic."""
        reader = LogReader(self._settings)
        try:
            begin = reader.partitions(self._settings.topic(contracts.SESSIONS))
        finally:
            reader.close()
        while begin and (gone := sorted(self._store.read_progress(range(begin, begin + MORE)))):
            log.warning("the topic has no partitions %s any more: their rows in the online store are deleted", gone)
            self._store.delete_partitions(gone)
            begin += MORE
        self._cleared = begin > 0

    def _positions(self, partitions: list[int]) -> tuple[dict[int, int], dict[int, int]]:
        """What the group has committed of these partitions, and their ends."""
        if not partitions:
            return {}, {}
        topic = self._settings.topic(contracts.SESSIONS)
        reader = LogReader(self._settings)
        try:
            ends = {partition: reader.bounds(topic, partition)[1] for partition in partitions}
            return {p: min(reader.committed(self._processor, topic, p), ends[p]) for p in partitions}, ends
        finally:
            reader.close()
