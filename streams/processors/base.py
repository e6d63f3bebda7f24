"""What all stream processors have in common: how records are read, worked off, acknowledged and refused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from mos_online import contracts
from mos_online.errors import BrokerUnavailableError, ContractError
from mos_online.settings import Settings
from publishing.producer import RecordProducer
from streams import metrics
from streams.kafka.dead_letters import DeadLetters, record_at_fault
from streams.kafka.headers import closable_at, passed_on
from streams.kafka.records import Record
from streams.processors.batches import BatchConsumer
from streams.processors.lease import Lease
from streams.processors.retry import RetryPolicy

M = TypeVar("M")


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """Everything that a worker gives to each of its processors.

    Attributes:
        settings: of everything.
        fail: stops the worker with an error; the processor does no more work after it has called this.
        accept_loss: go on where records are gone that were needed, instead of failing.
        largest: bytes of the largest key and value together, by topic.
        lease: how long the partitions of the processor are surely nobody else's.
    """

    settings: Settings
    fail: Callable[[Exception], None]
    accept_loss: bool = False
    largest: Mapping[str, int] = field(default_factory=dict)
    lease: Lease = field(default_factory=Lease.unlimited)


@dataclass(frozen=True, kw_only=True)
class Timer:
    """Something that a processor does again and again: ``action``, every ``seconds``."""

    name: str
    seconds: float
    action: Callable[[], Awaitable[None]]


class Processor(ABC, Generic[M]):
    """One of the worker's jobs: reads the records of a topic, of type ``M`` once decoded, and works them off.

    A subclass says what it reads (the class attributes and ``decode``) and what it does (``work``). This class sees
    to the rest. Records reach ``work`` in batches, in the order of their partition. A batch is acknowledged when
    ``work`` has returned and all that it published has been delivered. There are three kinds of errors:

    - The fault of one record (``ContractError``): the record becomes a dead letter with a reason, and the stream goes
      on. ``read``, ``isolate`` and ``publish`` see to this, where a subclass uses them.
    - The fault of another service: ``work`` tries again with the ``RetryPolicy``, for as long as it takes.
    - Everything else that ``work`` or a timer raises stops the worker. What was not acknowledged is done again after
      a restart.

    Attributes:
        name: of the processor, of its Faust agent and, after ``MOS_NAMESPACE``, of its consumer group.
        topic: what it reads, a topic of ``contracts.TOPICS``.
        beside: further topics that it reads. A partition is ours if that of the same number of each of them is.
        outputs: the topics of ``contracts.TOPICS`` that it publishes to, with the partition number of the record.
        batch_size: most records in a batch.
        batch_wait: seconds to wait for more records, to make one batch of several partitions.
    """

    name: ClassVar[str]
    topic: ClassVar[str]
    beside: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ()
    batch_size: ClassVar[int]
    batch_wait: ClassVar[float] = 0.0

    def __init__(self, context: WorkerContext, *, retry: RetryPolicy | None = None) -> None:
        """Connect to Kafka in the background.

        Args:
            context: of the worker.
            retry: the policy for the other service that this processor cannot do without, if there is one.

        Raises:
            BrokerError, SettingsError: as ``RecordProducer``.
        """
        self.context = context
        self.settings = context.settings
        self.rules = context.settings.sessions  # made and checked anew at every look
        self.producer = RecordProducer(context.settings, largest=context.largest)
        self.dead_letters = DeadLetters(self.producer, context.settings, processor=self.name)
        self._batches = BatchConsumer(self.process, size=self.batch_size, within=self.batch_wait)
        self._retry = retry
        self._kafka = RetryPolicy(on=BrokerUnavailableError, retries=metrics.RETRIES.labels(self.name, "kafka"))
        self._failed = False
        self._caused: list[tuple[str, Record]] = []

    # --- what a subclass says

    @abstractmethod
    def decode(self, value: bytes | None) -> M:
        """The message in a record's value.

        Raises:
            ContractError: the value is not such a message.
        """

    def message_of(self, record: Record) -> M:
        """The message in a record; to be replaced where topics have messages of different types.

        Raises:
            ContractError: its value is not such a message.
        """
        return self.decode(record.value)

    def check(self, record: Record, message: M) -> None:
        """Check what the message alone does not say: whether it fits its record, and can be believed at this moment.

        Raises:
            ContractError: it does not, or cannot.
        """

    @abstractmethod
    async def work(self, records: list[Record]) -> None:
        """Work off a batch; it may be cancelled at any ``await``, and may be given the same records again."""

    @property
    def ready(self) -> bool:
        """Whether it has all it needs to work off records."""
        return True

    def timers(self) -> tuple[Timer, ...]:
        """What the processor does at fixed intervals, beside its records."""
        return ()

    def on_assigned(self, partitions: set[int]) -> None:
        """These partitions of its topic are ours from now on; called in the event loop after each rebalance."""

    async def on_revoked(self) -> None:
        """No partition is ours until the next ``on_assigned``; no batch is at work any more."""

    async def on_close(self) -> None:
        """Finish, once, at the end of a worker that has not failed; no batch is at work any more."""

    async def delivered(self) -> None:
        """Wait until all that ``work`` has published is on its topics.

        Raises:
            BrokerError: something could not be delivered.
        """
        with metrics.STAGE_SECONDS.labels(self.name, "flush").time():
            await self.producer.flush()

    # --- what a subclass uses

    def read(self, records: Iterable[Record]) -> list[tuple[Record, M]]:
        """Records with their messages; those that cannot be decoded or believed are left out, as dead letters."""
        found: list[tuple[Record, M]] = []
        for record in records:
            try:
                message = self.message_of(record)
                self.check(record, message)
                found.append((record, message))
            except Exception as error:
                self.dead_letters.refuse(record, error)
        return found

    async def isolate(
        self, batch: list[tuple[Record, M]], work: Callable[[list[tuple[Record, M]]], Awaitable[None]]
    ) -> None:
        """Call ``work`` with a batch; if that fails because of a record, with one record after another.

        So only the records at fault become dead letters. ``work`` says that records are at fault by a
        ``ContractError``, and must have done nothing by then; ``record_at_fault`` makes one of any error.
        """
        try:
            if batch:
                await work(batch)
        except ContractError as error:
            if len(batch) == 1:
                self.dead_letters.refuse(batch[0][0], error)
                return
            for one in batch:
                await self.isolate([one], work)

    async def reach_outputs(self, partitions: set[int]) -> None:
        """Wait until all ``outputs`` have these partitions: they may get them later than ``topic``."""
        for name in self.outputs:
            topic, partition = self.settings.topic(name), max(partitions)
            if not self.producer.knows(topic, partition):
                await self._kafka.in_thread(partial(self.producer.learn, topic, partition))

    def publish(self, record: Record, topic: str, user_id: str, message: msgspec.Struct) -> bool:
        """Publish what follows from a record, in the same partition and with those of its headers that are ours.

        If Kafka does not take it, because it is too large, ``record`` becomes a dead letter and the answer is False.
        """
        try:
            with record_at_fault():
                self.producer.publish(
                    self.settings.topic(topic),
                    user_id.encode(),
                    contracts.encode(message),
                    partition=record.partition,
                    headers=passed_on(record.headers),
                )
        except ContractError as error:
            self.dead_letters.refuse(record, error)
            return False
        self._caused.append((topic, record))
        return True

    def fail(self, error: Exception) -> None:
        """Stop the worker because of an error that the processor cannot go on from."""
        self._failed = True
        self.context.fail(error)

    # --- what the worker calls

    @property
    def waiting(self) -> str | None:
        """What Kafka or another service that it cannot do without says instead of working; None if it works."""
        return self._kafka.waiting or (self._retry.waiting if self._retry is not None else None)

    @property
    def model_problem(self) -> str | None:
        """Why it works with an older model than the one in service; None if it does not."""
        return None

    @property
    def store_problem(self) -> str | None:
        """What the online store has lost of what it wrote; None if nothing is known to be missing."""
        return None

    async def run(self, stream: Any) -> None:
        """Body of its Faust agent: work off the stream; an error stops the worker."""
        try:
            await self._batches.run(stream)
        except Exception as error:
            self.fail(error)
            raise

    async def process(self, records: list[Record]) -> None:
        """Work off a batch and wait until all that it published has been delivered."""
        self._caused.clear()
        await self.reach_outputs({record.partition for record in records})
        await self.work(records)
        await self.delivered()
        for topic, record in self._caused:
            metrics.observe_delay(topic, closable_at(record.headers))

    async def run_timer(self, timer: Timer) -> None:
        """Do what a timer does, unless the worker is about to stop; an error stops the worker."""
        if self._failed:
            return
        try:
            await timer.action()
        except Exception as error:
            self.fail(error)

    def assigned(self, partitions: dict[str, set[int]]) -> None:
        """Topic, by its name on the cluster -> partitions that are ours from now on."""
        ours = [partitions.get(self.settings.topic(name), set()) for name in (self.topic, *self.beside)]
        self.on_assigned(set.intersection(*ours))

    async def revoked(self) -> None:
        """Break off what is at work, unacknowledged: the next owner gets it."""
        await self._batches.revoke()
        await self.on_revoked()

    async def close(self) -> None:
        """Break off what is at work, unacknowledged, and take no records any more; then finish."""
        await self._batches.close()
        await self.on_close()
