"""Accepted clicks in, rows of item_popularity out: what is clicked now, for every replica of the service."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import AcceptedClicks
from mos_online.errors import BrokerError, BrokerUnavailableError, StoreError
from mos_online.items.partition_count import PartitionCount
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.items.user_limits import UserLimits
from mos_online.registry import RegistryFollower, load_config, open_registry
from streams import metrics
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent
from streams.processors.base import Processor, Timer, WorkerContext
from streams.processors.click_positions import ClickPositions
from streams.processors.own_records import check_time
from streams.processors.retry import RetryPolicy, to_its_end

PERIOD = 1.0

log = logging.getLogger(__name__)
_decode = json_decoder(AcceptedClicks)


class PopularityProcessor(Processor[AcceptedClicks]):
    """Counts per partition, in memory. The sessionizer decides what counts; its topic ``accepted-clicks`` says so.

    A partition that is taken over goes on from its row in the store. The row says how far it has counted: records
    after that which have been acknowledged are read again, and clicks before that are not counted again.
    """

    name = "popularity"
    topic = contracts.ACCEPTED_CLICKS
    batch_size = 100

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
        settings = context.settings
        self._limits = UserLimits(per_item=settings.popularity_item_limit, in_all=settings.popularity_user_limit)
        self._store = OnlineStore.open(context.settings)
        self._reader = LogReader(context.settings)
        self._positions = ClickPositions(context.settings, self._reader)
        self._counts: dict[int, PartitionCount] = {}
        self._changed: set[int] = set()
        self._writing = asyncio.Lock()

    def decode(self, value: bytes | None) -> AcceptedClicks:
        """Decode accepted clicks."""
        return _decode(value)

    def check(self, record: Record, message: AcceptedClicks) -> None:
        """Check that the columns fit together, and that no click is in the future: all others would fade away."""
        contracts.check_accepted(message)
        check_time("timestamp", message.timestamp + max(message.times), record, self.rules)

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
                log.warning("the last second of popularity will be counted again: %s", error)

    async def on_close(self) -> None:
        """Write the rows once more."""
        await self.on_revoked()
        self._reader.close()

    async def work(self, records: list[Record]) -> None:
        """Count the clicks of a batch of records."""
        for record in records:
            if record.partition not in self._counts:
                await self._take_over(record.partition, record.offset)
        found = self.read(records)
        for number in self._positions.doubtful(found):
            await self._kafka.in_thread(partial(self._positions.learn, number))
        for record, message in found:
            if self._count(self._counts[record.partition], record, message):
                self._changed.add(record.partition)

    async def _take_over(self, number: int, offset: int) -> None:
        """Go on from the row of a partition, with the records between it and ``offset``."""
        stored = await self._stores.in_thread(lambda: self._store.read_popularity(number + 1))
        row = next((snapshot for snapshot in stored if snapshot.partition == number), None)
        counts = PartitionCount(half_life_ms=self._half_life, partition=number, limits=self._limits, stored=row)
        if row is not None and row.log_id:
            await self._kafka.in_thread(lambda: self._catch_up(counts, number, offset))
        self._counts[number] = counts

    def _catch_up(self, counts: PartitionCount, number: int, offset: int) -> None:
        """Count the records that were acknowledged before their row was written, after a worker was killed. Blocks.

        Raises:
            BrokerUnavailableError: Kafka does not answer now; call it again, it counts nothing twice.
        """
        topic = self.settings.topic(self.topic)
        self._positions.learn(number)  # the records are there, so what they speak of is, too
        try:
            for message in self._reader.read(topic, number, counts.read_to, offset):
                for record, found in self.read([of_confluent(message)]):
                    self._count(counts, record, found)
        except BrokerUnavailableError:
            raise
        except BrokerError as error:
            log.warning("the last second of popularity is lost: %s", error)

    def _count(self, counts: PartitionCount, record: Record, message: AcceptedClicks) -> bool:
        """Count a record, or make a dead letter of it; returns whether it counts."""
        try:
            self._positions.check(record, message)
            counts.take(message, offset=record.offset)
        except Exception as error:
            self.dead_letters.refuse(record, error)
            return False
        return True

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
        return [self._counts[number].snapshot() for number in sorted(changed)]

    async def _follow_model(self) -> None:
        """Count with the half-life of the model in service."""
        await self._follower.poll_async()
        if self._follower.loaded == self._half_life:
            return
        self._half_life = self._follower.loaded
        for counts in self._counts.values():
            counts.change_half_life(self._half_life)
