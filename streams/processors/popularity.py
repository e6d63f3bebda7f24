"""Clicks in, rows of item_popularity out: what is clicked now, for every replica of the service."""

from __future__ import annotations

import asyncio
import logging
import time

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Click, Heartbeat
from mos_online.errors import StoreError
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS, PopularitySnapshot
from mos_online.registry import RegistryFollower, load_config, open_registry
from streams import metrics
from streams.kafka.records import Record
from streams.processors.base import Processor, Timer, WorkerContext
from streams.processors.retry import RetryPolicy, to_its_end

PERIOD = 1.0

log = logging.getLogger(__name__)


class PopularityProcessor(Processor[list[Click] | Heartbeat]):
    """Counts per partition, in memory; a partition that is taken over goes on from its row in the store."""

    name = "popularity"
    topic = contracts.CLICKS
    batch_size = 500
    reports_undecodable = False  # the sessionizer reads the same topic and reports them

    def __init__(self, context: WorkerContext) -> None:
        """Read the half-life of the model in service and open the store.

        Raises:
            ModelError: no model is in service, or it is damaged.
            StoreError, SettingsError: as ``OnlineStore.open``.
        """
        self._stores = RetryPolicy(on=StoreError, retries=metrics.RETRIES.labels(self.name, "store"))
        super().__init__(context, retry=self._stores)
        self._follower = RegistryFollower(
            open_registry(context.settings), lambda folder: load_config(folder).half_life_ms
        )
        self._half_life = self._follower.loaded
        self._store = OnlineStore.open(context.settings)
        self._counts: dict[int, ItemPopularity] = {}
        self._changed: set[int] = set()
        self._writing = asyncio.Lock()

    def decode(self, value: bytes | None) -> list[Click] | Heartbeat:
        """One click, an envelope of clicks, or a heartbeat."""
        return contracts.decode_clicks(value)

    def timers(self) -> tuple[Timer, ...]:
        """Write the rows that have changed, at fixed intervals."""
        return (Timer(name="write", seconds=PERIOD, action=self._write),)

    @property
    def model_problem(self) -> str | None:
        """Why the half-life may not be that of the model in service."""
        return self._follower.problem

    async def on_revoked(self) -> None:
        """Write the rows once more: the next owner goes on from them. Nothing is written after that."""
        async with self._writing:
            snapshots = self._snapshots()
            self._counts = {}
            try:
                await to_its_end(lambda: self._store.write_popularity(snapshots))
            except StoreError as error:
                log.warning("the last second of popularity is lost: %s", error)

    async def on_close(self) -> None:
        """Write the rows once more."""
        await self.on_revoked()

    async def work(self, records: list[Record]) -> None:
        """Count the clicks of a batch of records."""
        await self._take_over({record.partition for record in records} - self._counts.keys())
        now = time.time_ns() // 1_000_000
        for record, message in self.read(records):
            if isinstance(message, Heartbeat):
                continue
            try:
                self._observe(record, message, now)
            except Exception as error:
                self.dead_letters.refuse(record, error)

    async def _take_over(self, partitions: set[int]) -> None:
        if not partitions:
            return
        stored = await self._stores.in_thread(lambda: self._store.read_popularity(max(partitions) + 1))
        for number in partitions:
            self._counts[number] = self._new(number)
        for snapshot in stored:
            if snapshot.partition in partitions:
                self._counts[snapshot.partition].resume(snapshot)

    def _observe(self, record: Record, clicks: list[Click], now: int) -> None:
        number = record.partition
        counts = self._counts[number]
        rules, arrived_at = self.rules, record.arrived_at(now)
        for click in clicks:
            # One click from the future would make all others fade away; the sessionizer rejects it, too.
            if rules.min_timestamp <= click.timestamp <= arrived_at + rules.max_future:
                counts.observe(click, arrived_at=arrived_at)
                self._changed.add(number)

    async def _write(self) -> None:
        await self._follow_model()
        if self._changed:
            with metrics.STAGE_SECONDS.labels(self.name, "write").time():
                await self._stores.call(self._try_to_write)

    async def _try_to_write(self) -> None:
        """Write what has changed of the partitions that are still ours."""
        async with self._writing:
            snapshots = self._snapshots()
            try:
                await to_its_end(lambda: self._store.write_popularity(snapshots))
            except StoreError:
                self._changed.update(snapshot.partition for snapshot in snapshots)
                raise

    def _snapshots(self) -> list[PopularitySnapshot]:
        changed, self._changed = self._changed & self._counts.keys(), set()
        return [self._counts[number].snapshot(top=LISTED_ITEMS) for number in sorted(changed)]

    async def _follow_model(self) -> None:
        """Count with the half-life of the model in service."""
        await self._follower.poll_async()
        if self._follower.loaded == self._half_life:
            return
        self._half_life = self._follower.loaded
        for number, counts in self._counts.items():
            self._counts[number] = self._new(number)
            self._counts[number].resume(counts.snapshot(top=LISTED_ITEMS))

    def _new(self, number: int) -> ItemPopularity:
        return ItemPopularity(half_life_ms=self._half_life, partition=number, types=self.settings.sessions.types)
