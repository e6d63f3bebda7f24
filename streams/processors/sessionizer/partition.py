"""One partition of ``clicks``: its records go to a ``Sessionizer``, whose state is stored as checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import msgspec

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, Session
from mos_online.errors import ContractError, MosError
from mos_online.sessions import Sessionizer, SessionizerCheckpoint
from mos_online.settings import Settings
from streams import metrics
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.log_reader import LogReader
from streams.kafka.producer import RecordProducer
from streams.kafka.records import Record, of_confluent
from streams.processors.sessionizer.outputs import OutputPublisher
from streams.processors.sessionizer.recovery import InMemoryState, plan_recovery

log = logging.getLogger(__name__)


class SessionizerPartition:
    """Open sessions of one partition of ``clicks``; used by one thread at a time.

    Attributes:
        restored: whether it has caught up with the log as it was when the partition became ours.
        wanted: set to False, it makes ``restore`` give up.
    """

    def __init__(
        self,
        settings: Settings,
        producer: RecordProducer,
        number: int,
        *,
        decode: Callable[[bytes | None], list[Click] | Heartbeat],
        dead_letters: DeadLetters,
    ) -> None:
        self.number = number
        self.restored = False
        self.wanted = True
        self.sessionizer = Sessionizer(settings.sessions, partition=number)
        self._settings = settings
        self._producer = producer
        self._decode = decode
        self._outputs = OutputPublisher(settings, producer, dead_letters, number)
        self._warned = False
        self._unstored = False
        self._by_broker: bool | None = None
        self._stored = b""
        self._offered_at = (0, 0)  # offset and outputs at a checkpoint
        self._stored_at: tuple[int, int] | None = None
        self._measured = (0, 0, 0)
        self._named: set[str] = set()

    def restore(self, reader: LogReader, *, accept_loss: bool = False) -> None:
        """Load the last checkpoint and take the log from there to where the agent goes on. Blocks.

        If the last checkpoint is one that this very object has stored, nobody else has worked on the partition in
        the meantime: it goes on from where it was.

        Raises:
            BrokerError: as ``plan_recovery``.
        """
        plan = plan_recovery(
            self._settings,
            reader,
            self.number,
            in_memory=InMemoryState(
                stored=self._stored, next_offset=self.sessionizer.next_offset, silent_before=self._outputs.silent_before
            ),
            accept_loss=accept_loss,
        )
        if plan.checkpoint is not None:
            self._begin_at(plan.checkpoint, plan.stored)
        started = time.monotonic()
        for message in reader.read(self._settings.topic(contracts.CLICKS), self.number, plan.start, plan.stop):
            if not self.wanted:
                return
            self.take((of_confluent(message),), time.time_ns() // 1_000_000)
        self.sessionizer.resume()
        self.restored = True
        took = time.monotonic() - started
        log.info("partition %d restored in %.1f s: offsets %d to %d re-read", self.number, took, plan.start, plan.stop)

    def take(self, records: Iterable[Record], now: int) -> None:
        """Process records of ``clicks`` and publish what they bring about; those taken before are ignored.

        ``now`` (ms) is the worker's clock: the time of arrival of the records whose arrival no broker has noted.
        """
        sessionizer = self.sessionizer
        clicks = 0
        for record in records:
            if record.offset < sessionizer.next_offset:
                continue
            if record.by_broker is not self._by_broker:
                self._note_clock(record)
            if not record.by_broker:
                metrics.PRODUCER_TIMES.inc()
            message: list[Click] | Heartbeat | None = None
            try:
                message = self._decode(record.value)
                if not isinstance(message, Heartbeat):
                    clicks += len(message)
                    if record.key is None:
                        self._note_unkeyed(record)
            except Exception as error:
                self._outputs.refuse(record, error)
            try:
                arrived_at = record.arrived_at(now)
                for output in sessionizer.process(
                    message, offset=record.offset, arrived_at=arrived_at, by_broker=record.by_broker
                ):
                    self._outputs.publish(output, closable_at=arrived_at, cause=record)
            except MosError:  # Kafka's
                raise
            except Exception as error:
                self._outputs.refuse(record, error)
        metrics.CLICKS.inc(clicks)

    def tick(self, now: int) -> None:
        """Let the wall clock (ms) close sessions. Only right when no record before ``now`` waits to be taken."""
        for output in self.sessionizer.tick(now):
            closable_at = self.sessionizer.wall_clock_of(output.watermark) if isinstance(output, Session) else now
            self._outputs.publish(output, closable_at=closable_at, cause=None)

    def checkpoint(self) -> bytes | None:
        """The checkpoint of this moment; None if nothing has happened since the one stored last."""
        self._offered_at = (self.sessionizer.next_offset, self._outputs.count)
        if self._offered_at == self._stored_at:
            return None
        return msgspec.json.encode(self.sessionizer.checkpoint())

    def store(self, checkpoint: bytes) -> None:
        """Publish what ``checkpoint`` gave last; only when everything published before that has been delivered.

        One that is too large for Kafka is left out: the one before is as good, but a restart re-reads more.
        """
        name = self._settings.topic(contracts.SESSIONIZER_CHECKPOINTS)
        try:
            self._producer.publish(name, str(self.number).encode(), checkpoint, partition=self.number)
        except ContractError as error:
            self._note_unstored(error)
            return
        self._stored, self._stored_at = checkpoint, self._offered_at
        self._unstored = False

    def measure(self) -> None:
        """Bring this partition's metrics up to date."""
        sessionizer = self.sessionizer
        counts = (sessionizer.duplicates, sessionizer.exposures, sessionizer.undeclared)
        counters = (metrics.DUPLICATES, metrics.EXPOSURES, metrics.UNDECLARED_TYPES)
        for counter, count, before in zip(counters, counts, self._measured, strict=True):
            counter.inc(count - before)
        self._measured = counts
        for name in sorted(sessionizer.undeclared_types - self._named):
            log.warning("event_type %r is not in MOS_EVENT_TYPES: it is used as the types that * stands for", name)
        self._named |= sessionizer.undeclared_types
        metrics.WATERMARK.labels(partition=str(self.number)).set(self.sessionizer.watermark / 1000)

    def _begin_at(self, checkpoint: SessionizerCheckpoint, stored: bytes) -> None:
        self.sessionizer = Sessionizer(self._settings.sessions, partition=self.number, checkpoint=checkpoint)
        self._outputs.silent_before = checkpoint.published_to
        self._stored, self._stored_at = stored, (checkpoint.published_to, self._outputs.count)
        self._measured = (0, 0, 0)

    def _note_clock(self, record: Record) -> None:
        """Say whose clock the records bear, at the first one and when it changes."""
        self._by_broker = record.by_broker
        place = f"{record.topic}[{record.partition}]@{record.offset}"
        if record.by_broker:
            log.info("%s bears the broker's time: arrival is a function of the log", place)
        else:
            log.log(
                logging.INFO if self._settings.kafka == "embedded" else logging.WARNING,
                "%s bears its producer's time: arrival is the worker's clock. Better set message.timestamp.type="
                "LogAppendTime for the topic; `mos doctor` says how",
                place,
            )

    def _note_unstored(self, error: ContractError) -> None:
        """Say it once, not every second."""
        metrics.UNSTORED_CHECKPOINTS.inc()
        if not self._unstored:
            self._unstored = True
            log.warning(
                "the checkpoint of partition %d is not stored: %s. Too many sessions have just been cut by a "
                "cap or an end event; more partitions (MOS_PARTITIONS) make it smaller",
                self.number,
                error,
            )

    def _note_unkeyed(self, record: Record) -> None:
        metrics.UNKEYED.inc()
        if not self._warned:
            self._warned = True
            log.warning(
                "clicks[%d]@%d has no key: send clicks with the user_id as key, or a user's clicks lie in several "
                "partitions and their sessions fall apart",
                record.partition,
                record.offset,
            )
