"""Decisions, impressions and accepted clicks in, outcomes out: what became of each answer of the service."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from mos_online import contracts
from mos_online.contracts import AcceptedClicks, Decision, Outcome
from mos_online.errors import ContractError
from streams import metrics
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record
from streams.processors.base import Processor, Timer, WorkerContext
from streams.processors.click_positions import ClickPositions
from streams.processors.joiner.ends import ends
from streams.processors.joiner.partition import INPUTS, JoinerPartition, Message
from streams.processors.joiner.recovery import restore
from streams.processors.own_records import check_key, check_time
from streams.processors.retry import to_its_end

PERIOD = 1.0
"""Seconds between two looks whether event time has gone on."""

ENDED = 2 * PERIOD
"""Seconds for which an input must have been at its end to count as idle."""

LEASE_WAIT = 0.25
"""Seconds between two looks whether a partition is surely ours again."""

LAST_STEP = 5.0
"""Seconds that a rebalance waits for a step to end."""

log = logging.getLogger(__name__)
_decision, _accepted = json_decoder(Decision), json_decoder(AcceptedClicks)


class JoinerProcessor(Processor[Message]):
    """Gives the records of three topics to their partitions, and publishes each decision's outcome once in effect.

    Open decisions are in memory. After a restart the logs and a small checkpoint bring them back (docs/adr/0016).
    """

    name = "joiner"
    topic = contracts.DECISIONS
    beside = (contracts.IMPRESSIONS, contracts.ACCEPTED_CLICKS)
    outputs = (contracts.OUTCOMES, contracts.JOINER_CHECKPOINTS)
    batch_size = 500

    def __init__(self, context: WorkerContext) -> None:
        super().__init__(context)
        self._names = {self.settings.topic(name): name for name in INPUTS}
        self._reader = LogReader(context.settings)
        self._positions = ClickPositions(context.settings, self._reader)
        self._restorers = ThreadPoolExecutor(1, "join")
        self._partitions: dict[int, JoinerPartition] = {}
        self._restoring: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._stepping = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether every partition that is ours has been restored."""
        return all(partition.restored for partition in self._partitions.values())

    def decode(self, value: bytes | None) -> Message:
        """A decision."""
        return _decision(value)

    def message_of(self, record: Record) -> Message:
        """A decision, an impression or accepted clicks, as the topic says."""
        name = self._names[record.topic]
        if name == contracts.IMPRESSIONS:
            return contracts.decode_impression(record.value)
        return self.decode(record.value) if name == contracts.DECISIONS else _accepted(record.value)

    def check(self, record: Record, message: Message) -> None:
        """Keys must be users, as everywhere, and no time may be in the future: it would let nothing be waited for."""
        if isinstance(message, AcceptedClicks):
            contracts.check_accepted(message)
            newest = message.timestamp + max(message.times)
        else:
            check_key(record, message.user_id)
            newest = message.timestamp
        check_time("timestamp", newest, record, self.rules)

    def timers(self) -> tuple[Timer, ...]:
        """Let event time go on."""
        return (Timer(name="step", seconds=PERIOD, action=self._step),)

    def on_assigned(self, partitions: set[int]) -> None:
        """Start to restore these partitions."""
        self._partitions = {
            number: JoinerPartition(self.settings, self.producer, number) for number in sorted(partitions)
        }
        for partition in self._partitions.values():
            task = asyncio.create_task(self._restore(partition))
            self._restoring.add(task)
            task.add_done_callback(self._restoring.discard)

    async def on_revoked(self) -> None:
        """Forget the partitions, because the logs have all that is needed; a step that is being made ends first."""
        for partition in self._partitions.values():
            partition.wanted = False
        self._partitions = {}
        for task in self._restoring:
            task.cancel()
        try:
            async with asyncio.timeout(LAST_STEP), self._stepping:
                pass
        except TimeoutError:
            log.warning("a step of the joiner has not ended within %.0f s", LAST_STEP)

    async def on_close(self) -> None:
        """Close the connection."""
        await self.on_revoked()
        self._restorers.shutdown(wait=False)
        self._reader.close()

    async def work(self, records: list[Record]) -> None:
        """Give the records to their partitions, once those have been restored."""
        now, clock = time.time_ns() // 1_000_000, time.monotonic()
        for record in records:
            partition = self._partitions.get(record.partition)
            while partition is None or not partition.restored:
                await self._changed.wait()
                partition = self._partitions.get(record.partition)
            name = self._names[record.topic]
            async with partition.lock:
                if record.offset >= partition.next_offsets[name]:
                    message = await self._read(record)
                    try:
                        partition.take(name, record, message, now=now)
                    except Exception as error:
                        self.dead_letters.refuse(record, error)
                    partition.taken_at[name] = clock

    async def _read(self, record: Record) -> Message | None:
        """The message in a record; None, and a dead letter, if it cannot be used."""
        for _, message in self.read([record]):
            if not isinstance(message, AcceptedClicks):
                return message
            if self._positions.doubtful([(record, message)]):
                await self._kafka.in_thread(partial(self._positions.learn, record.partition))
            try:
                self._positions.check(record, message)
            except ContractError as error:
                self.dead_letters.refuse(record, error)
            else:
                return message
        return None

    def _reread(self, record: Record) -> Message:
        """The same for a record that is read again. Blocks.

        Raises:
            ContractError: it cannot be used.
        """
        message = self.message_of(record)
        self.check(record, message)
        if isinstance(message, AcceptedClicks):
            if self._positions.doubtful([(record, message)]):
                self._positions.learn(record.partition)
            self._positions.check(record, message)
        return message

    async def _restore(self, partition: JoinerPartition) -> None:
        try:
            await self.reach_outputs({partition.number})
            outcomes = await self._kafka.call(lambda: self._restored(partition))
            async with self._stepping:
                # The first checkpoint of the term comes before what follows from it.
                if outcomes and await self._secured(partition, contracts.encode(partition.checkpoint)):
                    self._publish(partition, outcomes)
                    await self.producer.flush()
        except Exception as error:
            if partition.wanted:
                self.fail(error)
        else:
            partition.taken_at = dict.fromkeys(INPUTS, time.monotonic())
            partition.restored = partition.wanted
            self._changed.set()
            self._changed = asyncio.Event()

    async def _restored(self, partition: JoinerPartition) -> list[Outcome]:
        accept = self.context.accept_loss
        async with self._stepping:
            if not self._owns(partition):
                raise asyncio.CancelledError
            partition.checkpoints.claim()
            await self.producer.flush()
        return await asyncio.get_running_loop().run_in_executor(
            self._restorers,
            lambda: restore(
                partition, self.settings, self._reader, self._reread, self.dead_letters.refuse, accept_loss=accept
            ),
        )

    async def _step(self) -> None:
        """Let event time go on in all partitions where that closes something, and publish what has closed."""
        async with self._stepping:
            restored = [partition for partition in self._partitions.values() if partition.restored]
            for partition in restored:
                await self._step_of(partition)
            await self.producer.flush()
            for partition in restored:
                partition.measure()
            metrics.OPEN_DECISIONS.set(sum(partition.joiner.open for partition in restored))

    async def _step_of(self, partition: JoinerPartition) -> None:
        """The step is durable before anything that follows from it is published. Until then no record is taken."""
        quiet, now = partition.quiet(time.monotonic()), time.time_ns() // 1_000_000
        if partition.watermark(quiet, now) is None:
            return
        idle = {name for name in quiet if await self._ended(partition, name)}
        async with partition.lock:
            watermark = partition.watermark(idle & partition.quiet(time.monotonic()), now)
            if watermark is None or not self._owns(partition):
                return
            await self.producer.flush()
            if await self._secured(partition, partition.plan(watermark)):
                self._publish(partition, partition.advance())

    async def _secured(self, partition: JoinerPartition, checkpoint: bytes) -> bool:
        """Make a checkpoint durable while the partition is surely ours; False if it is not ours any more.

        The process may be paused at any moment. If the partition is ours after the checkpoint was delivered, every
        later owner has seen it. So what follows from it may be published, even if the next pause comes just then.
        """
        while self._owns(partition):
            if self.context.lease.held:
                partition.checkpoints.store(checkpoint)
                await self.producer.flush()
                if self._owns(partition) and self.context.lease.held:
                    return True
            await asyncio.sleep(LEASE_WAIT)
        return False

    async def _ended(self, partition: JoinerPartition, name: str) -> bool:
        """Whether no record of an input waits to be taken, or to be made by the sessionizer, and none did for a while.

        The while is for what the sessionizer has processed and not yet published.
        """
        ended = await to_its_end(lambda: ends(self._reader, self.settings, name, partition))
        now = time.monotonic()
        since = partition.ended_since[name] = min(partition.ended_since[name], now) if ended else float("inf")
        return now - since >= ENDED

    def _publish(self, partition: JoinerPartition, outcomes: list[Outcome]) -> None:
        topic = self.settings.topic(contracts.OUTCOMES)
        for outcome in outcomes:
            key, value = outcome.user_id.encode(), contracts.encode(outcome)
            try:
                self.producer.publish(topic, key, value, partition=partition.number)
            except ContractError as error:  # too large for Kafka
                where, at = partition.number, outcome.timestamp
                made = Record(topic=topic, partition=where, offset=-1, key=key, value=value, timestamp=at)
                self.dead_letters.refuse(made, error)
            metrics.OUTCOMES.labels(outcome.trigger, outcome.shown_by).inc()

    def _owns(self, partition: JoinerPartition) -> bool:
        return self._partitions.get(partition.number) is partition
