"""Clicks in, rows of item_popularity out: what is clicked now, for every replica of the service."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Heartbeat
from mos_online.errors import ContractError, StoreError
from mos_online.items.popularity import ItemPopularity, PopularitySnapshot
from mos_online.registry.registry import Registry
from streams import metrics
from streams.kafka.records import Record
from streams.model import load_config
from streams.processors.base import Context
from streams.runtime.app import raw_topic
from streams.runtime.batches import BatchConsumer
from streams.runtime.retry import RetryPolicy

PERIOD = 1.0
TOP = 500

log = logging.getLogger(__name__)


class PopularityProcessor:
    """Counts per partition, in memory; a partition that is taken over goes on from its row in the store."""

    def __init__(self, context: Context) -> None:
        """Read the half-life of the model in service and open the store.

        Raises:
            ModelError: no model is in service, or it is damaged.
            StoreError, SettingsError: as ``OnlineStore.open``.
        """
        self._context = context
        self._registry = Registry(context.settings.models_dir)
        self._folder = self._registry.current()
        self._half_life = load_config(self._folder).half_life_ms
        self._store = OnlineStore.open(context.settings)
        self._counts: dict[int, ItemPopularity] = {}
        self._changed: set[int] = set()
        self._retry = RetryPolicy(on=StoreError, retries=metrics.STORE_RETRIES)
        self._batches = BatchConsumer(self._work, size=500)

    @property
    def ready(self) -> bool:
        """Always."""
        return True

    @property
    def waiting(self) -> str | None:
        """The last error of the online store, while it does not work."""
        return self._retry.waiting

    def register(self, app: Any) -> None:
        """Add the agent and the timer."""
        app.agent(raw_topic(app, self._context.settings, contracts.CLICKS), name="popularity")(self._run)
        app.timer(PERIOD, name="popularity-write")(self._write)

    def assigned(self, partitions: dict[str, set[int]]) -> None:
        """Nothing to load."""

    async def revoked(self) -> None:
        """Write the rows once more: the next owner goes on from them."""
        await self._batches.revoke()
        snapshots = self._snapshots()
        self._counts = {}
        try:
            await asyncio.to_thread(self._store.write_popularity, snapshots)
        except StoreError as error:
            log.warning("the last second of popularity is lost: %s", error)

    async def close(self) -> None:
        """Write the rows once more."""
        await self.revoked()

    async def _run(self, stream: Any) -> None:
        try:
            await self._batches.run(stream)
        except Exception as error:
            self._context.fail(error)
            raise

    async def _work(self, records: list[Record]) -> None:
        await self._take_over({record.partition for record in records} - self._counts.keys())
        for record in records:
            self._observe(record)

    async def _take_over(self, partitions: set[int]) -> None:
        if not partitions:
            return
        stored = await self._retry.in_thread(lambda: self._store.read_popularity(max(partitions) + 1))
        for number in partitions:
            self._counts[number] = ItemPopularity(half_life_ms=self._half_life, partition=number)
        for snapshot in stored:
            if snapshot.partition in partitions:
                self._counts[snapshot.partition].resume(snapshot)

    def _observe(self, record: Record) -> None:
        try:
            clicks = contracts.decode_clicks(record.value)
        except ContractError:
            return  # the sessionizer sees the same record and puts it into the dead letters
        if isinstance(clicks, Heartbeat):
            return
        number = record.partition
        counts = self._counts[number]
        rules = self._context.settings.sessions
        for click in clicks:
            # One click from the future would make all others fade away; the sessionizer rejects it, too.
            if rules.min_timestamp <= click.timestamp <= record.arrived_at + rules.max_future:
                counts.observe(click)
                self._changed.add(number)

    async def _write(self) -> None:
        self._follow_model()
        snapshots = self._snapshots()
        if not snapshots:
            return
        try:
            with metrics.STAGE_SECONDS.labels("popularity", "write").time():
                await self._retry.in_thread(lambda: self._store.write_popularity(snapshots))
        except Exception as error:
            self._context.fail(error)
            raise

    def _snapshots(self) -> list[PopularitySnapshot]:
        changed, self._changed = self._changed, set()
        return [self._counts[number].snapshot(top=TOP) for number in sorted(changed)]

    def _follow_model(self) -> None:
        """Count with the half-life of the model in service."""
        folder = self._registry.current()
        if folder == self._folder:
            return
        self._folder, self._half_life = folder, load_config(folder).half_life_ms
        for number, counts in self._counts.items():
            self._counts[number] = ItemPopularity(half_life_ms=self._half_life, partition=number)
            self._counts[number].resume(counts.snapshot(top=TOP))
