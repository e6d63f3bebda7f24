"""The sessionizer of one partition: what it reads, what it publishes, and how it is restored after a restart."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import msgspec

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, LateEvent, Session
from mos_online.errors import BrokerError, ContractError, MosError
from mos_online.sessions import Checkpoint, Output, Sessionizer
from mos_online.settings import Settings
from streams import metrics
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.log_reader import LogReader, truncated
from streams.kafka.producer import Delay, RecordProducer
from streams.kafka.records import Record, of_confluent
from streams.kafka.topics import CHECKPOINTS

log = logging.getLogger(__name__)


class Partition:
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
        self._dead_letters = dead_letters
        self._sessions, self._late = settings.topic(contracts.SESSIONS), settings.topic(contracts.LATE_EVENTS)
        self._closing = metrics.DELAY_SECONDS.labels(contracts.SESSIONS)
        self._warned = False
        self._silent_before = 0
        self._stored = b""
        self._offered_at = (0, 0)  # offset and outputs at a checkpoint
        self._stored_at: tuple[int, int] | None = None
        self._outputs = 0
        self._arrived_at = -1
        self._duplicates = 0

    def restore(self, reader: LogReader, *, accept_loss: bool = False) -> None:
        """Load the last checkpoint and take the log from there to where the agent goes on. Blocks.

        If the last checkpoint is one that this very object has stored, nobody else has worked on the partition in
        the meantime: it goes on from where it was.

        Raises:
            BrokerError: Kafka cannot be reached, or the log is another one; it has dropped records that are needed,
                and ``accept_loss`` is not set.
        """
        clicks = self._settings.topic(contracts.CLICKS)
        last = reader.last(self._settings.topic(CHECKPOINTS), self.number)
        stored = (last.value() or b"") if last is not None else b""
        low, high = reader.bounds(clicks, self.number)
        if stored != self._stored:
            checkpoint = msgspec.json.decode(stored, type=Checkpoint)
            self._begin_at(checkpoint, stored)
            start = checkpoint.offset
        elif stored:
            start = self.sessionizer.next_offset
        else:
            start = max(low, self.sessionizer.next_offset)
        if self._silent_before > high or start > high:
            raise BrokerError(
                f"{clicks}[{self.number}] ends at offset {high}, but {max(self._silent_before, start)} of it have been "
                f"processed: the topic was made anew. Delete {self._settings.topic(CHECKPOINTS)} too and create both "
                "with `mos topics create`, or choose another MOS_NAMESPACE"
            )
        if start < low:
            if not accept_loss:
                raise truncated(clicks, self.number, start, low)
            log.error("%s[%d]: offsets %d to %d are lost, going on without them", clicks, self.number, start, low - 1)
            start = low
        # Records may have been acknowledged after the last checkpoint; the agent does not get them again.
        stop = min(high, max(start, self._silent_before, reader.committed("sessionizer", clicks, self.number)))
        started = time.monotonic()
        for message in reader.read(clicks, self.number, start, stop):
            if not self.wanted:
                return
            self.take((of_confluent(message),))
        self.sessionizer.resume()
        self.restored = True
        took = time.monotonic() - started
        log.info("partition %d restored in %.1f s: offsets %d to %d re-read", self.number, took, start, stop)

    def take(self, records: Iterable[Record]) -> None:
        """Process records of ``clicks`` and publish what they bring about; those taken before are ignored."""
        sessionizer = self.sessionizer
        clicks = 0
        for record in records:
            if record.offset < sessionizer.next_offset:
                continue
            self._arrived_at = max(self._arrived_at, record.arrived_at)
            message: list[Click] | Heartbeat | None = None
            try:
                message = self._decode(record.value)
                if not isinstance(message, Heartbeat):
                    clicks += len(message)
                    if record.key is None:
                        self._note_unkeyed(record)
            except Exception as error:
                self._refuse(record, error)
            try:
                for output in sessionizer.process(message, offset=record.offset, arrived_at=record.arrived_at):
                    self._publish(output, record.arrived_at, record)
            except MosError:  # Kafka's
                raise
            except Exception as error:
                self._refuse(record, error)
        metrics.CLICKS.inc(clicks)

    def tick(self, now: int) -> None:
        """Let the wall clock (ms) close sessions. Only right when no record before ``now`` waits to be taken."""
        for output in self.sessionizer.tick(now):
            closable_at = self.sessionizer.wall_clock_of(output.watermark) if isinstance(output, Session) else now
            self._publish(output, closable_at, None)

    def checkpoint(self) -> bytes | None:
        """The checkpoint of this moment; None if nothing has happened since the one stored last."""
        self._offered_at = (self.sessionizer.next_offset, self._outputs)
        if self._offered_at == self._stored_at:
            return None
        return msgspec.json.encode(self.sessionizer.checkpoint())

    def store(self, checkpoint: bytes) -> None:
        """Publish what ``checkpoint`` gave last; only when everything published before that has been delivered."""
        name = self._settings.topic(CHECKPOINTS)
        self._producer.publish(name, str(self.number).encode(), checkpoint, partition=self.number)
        self._stored, self._stored_at = checkpoint, self._offered_at

    def measure(self) -> None:
        """Bring this partition's metrics up to date."""
        metrics.DUPLICATES.inc(self.sessionizer.duplicates - self._duplicates)
        self._duplicates = self.sessionizer.duplicates
        metrics.WATERMARK.labels(partition=str(self.number)).set(self.sessionizer.watermark / 1000)

    def _begin_at(self, checkpoint: Checkpoint, stored: bytes) -> None:
        self.sessionizer = Sessionizer(self._settings.sessions, partition=self.number, checkpoint=checkpoint)
        self._silent_before = checkpoint.published_to
        self._arrived_at = checkpoint.clock.arrived_at
        self._stored, self._stored_at, self._duplicates = stored, (checkpoint.published_to, self._outputs), 0

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

    def _publish(self, output: Output, closable_at: int, cause: Record | None) -> None:
        self._outputs += 1
        if isinstance(output, Session):
            metrics.SESSIONS_CLOSED.labels(reason=output.close_reason).inc()
            self._send(self._sessions, output.user_id, output, closable_at)
        elif isinstance(output, LateEvent):
            metrics.LATE_EVENTS.inc()
            self._send(self._late, output.click.user_id, output, closable_at)
        elif cause is not None and not self._is_silent(cause):
            self._dead_letters.add(cause, reason=output.reason, message=output.message)

    def _send(self, topic: str, user: str, output: Session | LateEvent, closable_at: int) -> None:
        key, value, headers = user.encode(), contracts.encode(output), {"closable_at": str(closable_at).encode()}
        try:
            delay = Delay(self._closing, since=closable_at) if isinstance(output, Session) else None
            self._producer.publish(topic, key, value, partition=self.number, headers=headers, delay=delay)
        except ContractError as error:  # too large for Kafka
            made = Record(
                topic=topic,
                partition=self.number,
                offset=-1,
                key=key,
                value=value,
                arrived_at=closable_at,
                headers=headers,
            )
            self._dead_letters.refuse(made, error)

    def _refuse(self, record: Record, error: Exception) -> None:
        if not self._is_silent(record):
            self._dead_letters.refuse(record, error)

    def _is_silent(self, record: Record) -> bool:
        """Whether a record is re-read whose dead letter was published before the checkpoint."""
        return record.offset < self._silent_before
