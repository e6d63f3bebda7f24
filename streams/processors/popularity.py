"""Accepted clicks in, rows of item_popularity and item_co_clicks out: what is clicked now, and what goes with what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import AcceptedClicks
from mos_online.errors import BrokerError, BrokerUnavailableError, StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.partition_co_clicks import PartitionCoClicks
from mos_online.items.partition_count import PartitionCount
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.items.user_limits import UserLimits
from mos_online.registry import ModelConfig, RegistryFollower, load_config, open_registry
from streams import metrics
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent
from streams.processors.base import Processor, Timer, WorkerContext
from streams.processors.click_positions import ClickPositions
from streams.processors.due_rows import DueRows
from streams.processors.own_records import check_time
from streams.processors.retry import RetryPolicy, to_its_end

PERIOD = 1.0
"""Seconds between writes of popularity, while event time runs no faster than the clock."""

CO_CLICK_PERIOD = 5.0
"""The same of co-clicks, whose rows are up to 3 MB."""

LOOK = 0.1
"""Seconds between looks whether something is to be written."""

log = logging.getLogger(__name__)
_decode = json_decoder(AcceptedClicks)


class PopularityProcessor(Processor[AcceptedClicks]):
    """Counts per partition, in memory. The sessionizer decides what counts; its topic ``accepted-clicks`` says so.

    A partition that is taken over goes on from its rows in the store. Each says how far it has counted: records
    after that which have been acknowledged are read again, and clicks before that are not counted again. So are the
    records whose clicks may go with later ones.
    """

    name = "popularity"
    topic = contracts.ACCEPTED_CLICKS
    batch_size = 100

    def __init__(self, context: WorkerContext) -> None:
        """Read the half-lives of the model in service and open the store.

        Raises:
            ModelError: no model is in service, or it is damaged.
            StoreError, SettingsError: as ``OnlineStore.open``.
        """
        self._stores = RetryPolicy(on=StoreError, retries=metrics.RETRIES.labels(self.name, "store"))
        super().__init__(context, retry=self._stores)
        self._follower = RegistryFollower(
            open_registry(context.settings), lambda folder: _half_lives(load_config(folder))
        )
        self._half_lives = self._follower.loaded
        settings = context.settings
        self._limits = UserLimits(per_item=settings.popularity_item_limit, in_all=settings.popularity_user_limit)
        self._store = OnlineStore.open(context.settings)
        self._reader = LogReader(context.settings)
        self._positions = ClickPositions(context.settings, self._reader)
        self._counts: dict[int, PartitionCount] = {}
        self._together: dict[int, PartitionCoClicks] = {}
        self._due, self._due_together = DueRows(longest=PERIOD), DueRows(longest=CO_CLICK_PERIOD)
        self._writing = asyncio.Lock()

    def decode(self, value: bytes | None) -> AcceptedClicks:
        """Decode accepted clicks."""
        return _decode(value)

    def check(self, record: Record, message: AcceptedClicks) -> None:
        """Check that the columns fit together, and that no click is in the future: all others would fade away."""
        contracts.check_accepted(message)
        check_time("timestamp", message.timestamp + max(message.times), record, self.rules)

    def timers(self) -> tuple[Timer, ...]:
        """Write the rows that have changed, when that is due."""
        return (
            Timer(name="write", seconds=LOOK, action=self._write),
            Timer(name="write-co-clicks", seconds=LOOK, action=self._write_together),
        )

    @property
    def model_problem(self) -> str | None:
        """Why the half-lives may not be those of the model in service."""
        return self._follower.problem

    async def on_revoked(self) -> None:
        """Write the rows once more: the next owner goes on from them. Nothing is written after that."""
        async with self._writing:
            snapshots = self._snapshots()
            together = [self._together[number].frozen() for number in sorted(self._due_together.changed)]
            self._counts, self._together = {}, {}
            self._due.clear()
            self._due_together.clear()
            try:
                await to_its_end(lambda: self._store.write_popularity(snapshots))
                for snapshot in together:
                    await to_its_end(partial(_write, self._store, snapshot))
            except StoreError as error:
                log.warning("the last seconds of popularity and co-clicks will be counted again: %s", error)

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
            if self._count(record, message):
                number = record.partition
                self._due.count(number, self._counts[number].as_of)
                self._due_together.count(number, self._together[number].as_of)

    async def _take_over(self, number: int, offset: int) -> None:
        """Go on from the rows of a partition, with the records between them and ``offset``."""
        stored = await self._stores.in_thread(lambda: self._store.read_popularity(number + 1))
        together = await self._stores.in_thread(lambda: self._store.read_co_clicks(number))
        row = next((snapshot for snapshot in stored if snapshot.partition == number), None)
        half_life, co_click_half_life = self._half_lives
        counts = PartitionCount(
            half_life_ms=half_life, gap_ms=self.rules.gap, partition=number, limits=self._limits, stored=row
        )
        pairs = PartitionCoClicks(
            half_life_ms=co_click_half_life,
            window_ms=self.rules.gap,
            partition=number,
            limits=self._limits,
            begin=offset,
            stored=together,
        )
        begins = [counts.read_to] if row is not None and row.log_id else []
        if together is not None and together.read_from >= 0:
            begins.append(pairs.read_from)
        else:  # whoever goes on after a kill has to know where this count began
            await self._stores.in_thread(partial(_write, self._store, pairs.frozen()))
        self._counts[number], self._together[number] = counts, pairs
        if begins:
            try:
                await self._kafka.in_thread(lambda: self._catch_up(number, min(begins), offset))
            except BaseException:
                del self._counts[number], self._together[number]
                raise

    def _catch_up(self, number: int, start: int, offset: int) -> None:
        """Count the records that were acknowledged before their row was written, after a worker was killed. Blocks.

        Raises:
            BrokerUnavailableError: Kafka does not answer now; call it again, it counts nothing twice.
        """
        topic = self.settings.topic(self.topic)
        self._positions.learn(number)  # the records are there, so what they speak of is, too
        try:
            low, _ = self._reader.bounds(topic, number)
            read_to = self._counts[number].read_to
            if 0 < read_to < min(low, offset):
                lost = min(low, offset) - read_to
                log.warning("%d records of popularity are lost: %s[%d] begins at %d", lost, topic, number, low)
            for message in self._reader.read(topic, number, max(start, low), offset):
                for record, found in self.read([of_confluent(message)]):
                    self._count(record, found)
        except BrokerUnavailableError:
            raise
        except BrokerError as error:
            log.warning("the last second of popularity is lost: %s", error)

    def _count(self, record: Record, message: AcceptedClicks) -> bool:
        """Count a record, or make a dead letter of it; returns whether it counts."""
        try:
            self._positions.check(record, message)
            self._counts[record.partition].take(message, offset=record.offset)
            self._together[record.partition].take(message, offset=record.offset)
        except Exception as error:
            self.dead_letters.refuse(record, error)
            return False
        return True

    async def _write(self) -> None:
        await self._follow_model()
        if self._due.due(self._half_lives[0]):
            with metrics.STAGE_SECONDS.labels(self.name, "write").time(), self._due.writing():
                await self._stores.call(self._try_to_write)

    async def _try_to_write(self) -> None:
        """Write what has changed of the partitions that are still ours."""
        async with self._writing:
            snapshots = self._snapshots()
            try:
                await to_its_end(lambda: self._store.write_popularity(snapshots))
            except StoreError:
                self._due.changed.update(snapshot.partition for snapshot in snapshots)
                raise

    def _snapshots(self) -> list[PopularitySnapshot]:
        changed = sorted(self._due.changed & self._counts.keys())
        for number in changed:
            self._due.take(number)
        return [self._counts[number].snapshot() for number in changed]

    async def _write_together(self) -> None:
        if not self._due_together.due(self._half_lives[1]):
            return
        with self._due_together.writing():
            for number in sorted(self._due_together.changed):
                with metrics.STAGE_SECONDS.labels(self.name, "write-co-clicks").time():
                    await self._stores.call(partial(self._try_to_write_together, number))

    async def _try_to_write_together(self, number: int) -> None:
        """Write the co-clicks of a partition, if it is still ours."""
        async with self._writing:
            if number not in self._due_together.changed:
                return
            self._due_together.take(number)
            snapshot = self._together[number].frozen()
            try:
                await to_its_end(partial(_write, self._store, snapshot))
            except StoreError:
                self._due_together.changed.add(number)
                raise

    async def _follow_model(self) -> None:
        """Count with the half-lives of the model in service."""
        await self._follower.poll_async()
        if self._follower.loaded == self._half_lives:
            return
        self._half_lives = half_life, co_click_half_life = self._follower.loaded
        for counts in self._counts.values():
            counts.change_half_life(half_life)
        for pairs in self._together.values():
            pairs.change_half_life(co_click_half_life)


def _write(store: OnlineStore, snapshot: Callable[[], CoClickSnapshot]) -> None:
    store.write_co_clicks(snapshot())


def _half_lives(config: ModelConfig) -> tuple[float, float]:
    return config.half_life_ms, config.co_click_half_life_ms
