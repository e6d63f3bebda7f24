"""One partition of ``clicks``: its records go to a ``Sessionizer``, whose state is stored as checkpoints."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, Session
from mos_online.errors import MosError
from mos_online.sessions import AcceptedLog, Output, Sessionizer, SessionizerCheckpoint
from mos_online.settings import Settings
from publishing.producer import RecordProducer
from streams import metrics
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent
from streams.processors.checkpoint_topic import CheckpointTopic
from streams.processors.lease import Lease
from streams.processors.sessionizer.batch import ClickBatch, batches_of, decoded_records
from streams.processors.sessionizer.outputs import OutputPublisher
from streams.processors.sessionizer.recovery import InMemoryState, RecoveryPlan, check_intact, plan_recovery

BATCH = 500
"""Records that a re-read takes at once."""

MANY_ACCEPTED = 2000
"""So many accepted clicks are published without waiting for the next tick."""

LONG_SPAN, SHORTEST_WAIT = 10_000, 0.05
"""Milliseconds of event time after which accepted clicks are published without waiting for the next tick, but for so
many seconds. Live clicks never span so much between two ticks."""

log = logging.getLogger(__name__)


class SessionizerPartition:
    """Open sessions of one partition of ``clicks``; used by one thread at a time.

    A decision of the worker's clock, and a change of the rules, must be in a durable checkpoint before anything that
    rests on it is published (docs/adr/0013). So ``decide`` and ``move`` come before ``take`` and ``tick``, and the
    caller makes the checkpoint durable in between.

    Attributes:
        restored: whether it has caught up with the log as it was when the partition became ours.
        wanted: set to False, it makes ``reread`` give up.
        unsecured: the checkpoint that must be durable before anything else happens; None if there is none.
        lock: held by whoever decides something, until what follows has been published.
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
        self._accepted, self._log_id = AcceptedLog(), ""
        self._published_at = 0.0
        self.unsecured: bytes | None = None
        self.lock = asyncio.Lock()
        self._settings = settings
        self._decode = decode
        self._outputs = OutputPublisher(settings, producer, dead_letters, number)
        self._warned = False
        self._by_broker: bool | None = None
        self._decided: int | None = None
        self._stored = b""
        self._offered_at = (0, 0)  # offset and outputs at a checkpoint
        self._stored_at: tuple[int, int] | None = None
        self._checkpoints = CheckpointTopic(settings, producer, contracts.SESSIONIZER_CHECKPOINTS, number)
        self._measured = (0, 0, 0)
        self._named: set[str] = set()

    def claim(self) -> None:
        """Say that the partition is ours; ``plan`` must follow when this is delivered."""
        self._checkpoints.claim()

    def plan(self, reader: LogReader, *, accept_loss: bool = False) -> RecoveryPlan:
        """Load the last checkpoint and find out where to go on. Blocks.

        If the last checkpoint is one that this very object has stored, nobody else has worked on the partition in
        the meantime: it goes on from where it was. In any case ``unsecured`` must be durable before ``reread``.

        Raises:
            BrokerError: as ``plan_recovery``.
        """
        plan = plan_recovery(
            self._settings,
            reader,
            self.number,
            stored=self._checkpoints.look_back(reader),
            in_memory=InMemoryState(
                stored=self._stored, next_offset=self.sessionizer.next_offset, silent_before=self._outputs.silent_before
            ),
            accept_loss=accept_loss,
        )
        if plan.checkpoint is not None:
            self.sessionizer = Sessionizer(plan.checkpoint, partition=self.number, log_end=plan.log_end)
            self._log_id, self._accepted = plan.checkpoint.log_id, AcceptedLog()
            self.sessionizer.accepted = self._accepted
            self._outputs.silent_before = plan.checkpoint.published_to
            self._decided, self._measured = None, (0, 0, 0)
            self._offered_at = (plan.checkpoint.published_to, self._outputs.count)
            self._stored, self._stored_at = plan.stored, self._offered_at
        if plan.checkpoint is not None or self.unsecured is None:  # else what was decided last is still to be stored
            self._offered_at = self._stored_at or self._offered_at
            self.unsecured = plan.unsecured
        return plan

    def reread(self, reader: LogReader, plan: RecoveryPlan, secure: Callable[[], None], *, lease: Lease) -> None:
        """Take the log as ``plan`` says, up to where the agent goes on. Blocks.

        Args:
            reader: of the log.
            plan: as ``plan`` has made it.
            secure: makes ``unsecured`` durable, and waits until ``lease`` is held.
            lease: of the partition.

        Raises:
            BrokerError: Kafka cannot be reached, or records are gone that are needed.
        """
        started = time.monotonic()
        published_to = self._outputs.silent_before
        for records in self._read(reader, plan.start, min(published_to, plan.stop)):
            self.take(ClickBatch.of(decoded_records(records, self._decode)), 0)
        closed = self.sessionizer.resume()
        if not self.wanted:
            return
        check_intact(self.sessionizer.missing_events, plan, self._settings, self.number)
        self._publish_ticked(closed)
        if self._decided is not None:
            self.tick()
        for records in self._read(reader, max(plan.start, published_to), plan.stop):
            for batch in self.batches(records):
                now = time.time_ns() // 1_000_000
                if self.decide(batch, now) or not lease.held:
                    secure()
                self.take(batch, now)
        self.restored = self.wanted
        took = time.monotonic() - started
        log.info("partition %d restored in %.1f s: offsets %d to %d re-read", self.number, took, plan.start, plan.stop)

    def _read(self, reader: LogReader, start: int, stop: int) -> Iterator[list[Record]]:
        messages = reader.read(self._settings.topic(contracts.CLICKS), self.number, start, stop)
        while self.wanted and (some := [of_confluent(message) for message in islice(messages, BATCH)]):
            yield some

    def batches(self, records: Iterable[Record]) -> Iterator[ClickBatch]:
        """Records of ``clicks`` decoded, in batches of which each may need a decision; not those taken before."""
        begin = self.sessionizer.next_offset
        wanted = [record for record in records if record.offset >= begin]
        return batches_of(decoded_records(wanted, self._decode), self.sessionizer)

    def decide(self, batch: ClickBatch, now: int) -> bool:
        """Prepare to ``take`` a batch when the worker's clock is ``now`` (ms).

        Returns whether ``unsecured`` must be durable before.
        """
        if batch.newest is not None and self.sessionizer.decide(batch.newest, end=batch.end, now=now):
            self._offer(self.sessionizer.checkpoint())
        return self.unsecured is not None

    def take(self, batch: ClickBatch, now: int) -> None:
        """Process a batch and publish what it brings about.

        ``now`` (ms) is the worker's clock: the time of arrival of the records whose arrival no broker has noted.
        """
        sessionizer, clicks = self.sessionizer, 0
        for record, message, error in batch.decoded:
            if record.by_broker is not self._by_broker:
                self._note_clock(record)
            if error is not None:
                self._outputs.refuse(record, error)
            elif isinstance(message, list):
                clicks += len(message)
                if record.key is None:
                    self._note_unkeyed(record)
            try:
                arrived_at = record.arrived_at(now)
                for output in sessionizer.process(
                    message, offset=record.offset, arrived_at=arrived_at, by_broker=record.by_broker
                ):
                    self._outputs.publish(output, closable_at=arrived_at, cause=record)
                if len(self._accepted) >= MANY_ACCEPTED:
                    self.publish_accepted()
            except MosError:  # Kafka's
                raise
            except Exception as fault:
                self._outputs.refuse(record, fault)
        if self._accepted.span >= LONG_SPAN and time.monotonic() - self._published_at >= SHORTEST_WAIT:
            self.publish_accepted()
        metrics.CLICKS.inc(clicks)
        metrics.PRODUCER_TIMES.inc(batch.by_producer)

    def move(self, now: int) -> bool:
        """Decide whether the wall clock (ms) closes sessions; then ``unsecured`` must be durable before ``tick``.

        Only right when no record before ``now`` waits to be taken.
        """
        watermark = self.sessionizer.due(now)
        if watermark is not None:
            self._offer(self.sessionizer.checkpoint(decided=watermark))
            self._decided = watermark
        return watermark is not None

    def tick(self) -> None:
        """Do what ``move`` has decided."""
        if self._decided is not None:
            watermark, self._decided = self._decided, None
            self._publish_ticked(self.sessionizer.advance(watermark))

    def _publish_ticked(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            now = time.time_ns() // 1_000_000
            closable_at = self.sessionizer.wall_clock_of(output.watermark) if isinstance(output, Session) else now
            self._outputs.publish(output, closable_at=closable_at, cause=None)

    def publish_accepted(self) -> None:
        """Publish the clicks that were accepted since the last time, for the popularity."""
        self._published_at = time.monotonic()
        self._outputs.publish_accepted(self._accepted.taken(self._log_id))

    def checkpoint(self) -> bytes | None:
        """The checkpoint of this moment; None if nothing has happened since the one stored last."""
        if self._stored_at == (self.sessionizer.next_offset, self._outputs.count):
            return None
        return self._encode(self.sessionizer.checkpoint())

    def store(self, checkpoint: bytes) -> None:
        """Publish what was offered last; only when everything published before that has been delivered."""
        self._checkpoints.store(checkpoint)
        self._stored, self._stored_at = checkpoint, self._offered_at

    def store_unsecured(self) -> None:
        """Publish ``unsecured``, under the same condition."""
        if self.unsecured is not None:
            self.store(self.unsecured)

    def measure(self) -> None:
        """Bring this partition's metrics up to date."""
        types = self.sessionizer.types
        counts = (self.sessionizer.duplicates, types.exposures, types.undeclared)
        counters = (metrics.DUPLICATES, metrics.EXPOSURES, metrics.UNDECLARED_TYPES)
        for counter, count, before in zip(counters, counts, self._measured, strict=True):
            counter.inc(count - before)
        self._measured = counts
        for name in sorted(types.undeclared_types - self._named):
            log.warning("event_type %r is not in MOS_EVENT_TYPES: it is used as the types that * stands for", name)
        self._named |= types.undeclared_types
        metrics.WATERMARK.labels(partition=str(self.number)).set(self.sessionizer.watermark / 1000)

    def _offer(self, checkpoint: SessionizerCheckpoint) -> None:
        self.unsecured = self._encode(checkpoint)

    def _encode(self, checkpoint: SessionizerCheckpoint) -> bytes:
        self.publish_accepted()  # it says that everything before it has been published
        self._offered_at = (checkpoint.published_to, self._outputs.count)
        return msgspec.json.encode(msgspec.structs.replace(checkpoint, log_id=self._log_id))

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
