"""The sessionizer of one partition with its ways in and out: the log, the outbox, the checkpoint."""

from __future__ import annotations

import logging

import msgspec

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, Session
from mos_online.errors import BrokerError, ContractError
from mos_online.sessions import Checkpoint, Output, Rejected, Sessionizer
from mos_online.settings import Settings
from streams import metrics
from streams.dead_letters import Record, bury
from streams.log import LogReader
from streams.outbox import Outbox
from streams.records import of_confluent
from streams.topics import CHECKPOINTS

log = logging.getLogger(__name__)


class Partition:
    """Open sessions of one partition of ``clicks``; used by one thread at a time."""

    def __init__(self, settings: Settings, outbox: Outbox, number: int) -> None:
        self.number = number
        self.restored = False
        self._settings = settings
        self._outbox = outbox
        self._silent_before = 0
        self._stored: Checkpoint | None = None
        self._arrived_at = -1
        self._duplicates = 0
        self.sessionizer = Sessionizer(settings.sessions, partition=number)

    def restore(self, reader: LogReader) -> None:
        """Load the last checkpoint and take the log from there to its present end. Blocks.

        Raises:
            BrokerError: Kafka cannot be reached, has dropped records that are needed, or the log is another one.
        """
        clicks = self._settings.topic(contracts.CLICKS)
        stored = reader.last(self._settings.topic(CHECKPOINTS), self.number)
        start, stop = reader.bounds(clicks, self.number)
        if stored is not None:
            checkpoint = msgspec.json.decode(stored.value() or b"", type=Checkpoint)
            if checkpoint.published_to > stop:
                raise BrokerError(
                    f"{clicks}[{self.number}] ends at offset {stop}, but {checkpoint.published_to} of it have been "
                    f"processed: the topic was made anew. Delete {self._settings.topic(CHECKPOINTS)} too and create "
                    "both with `mos topics create`, or choose another MOS_NAMESPACE"
                )
            self.sessionizer = Sessionizer(self._settings.sessions, partition=self.number, checkpoint=checkpoint)
            self._silent_before = checkpoint.published_to
            self._arrived_at = checkpoint.clock.arrived_at
            self._stored = checkpoint
            start = checkpoint.offset
        for message in reader.read(clicks, self.number, start, stop):
            self.take(of_confluent(message))
        self.sessionizer.resume()
        self.restored = True
        log.info("partition %d restored: offsets %d to %d re-read", self.number, start, stop)

    def take(self, record: Record) -> None:
        """Process one record of ``clicks`` and publish what it brings about; a record taken before is ignored."""
        if record.offset < self.sessionizer.next_offset:
            return
        self._arrived_at = max(self._arrived_at, record.arrived_at)
        message: list[Click] | Heartbeat | None = None
        try:
            message = contracts.decode_clicks(record.value)
            if not isinstance(message, Heartbeat):
                metrics.CLICKS.inc(len(message))
        except ContractError as error:
            self._bury(record, error.reason, str(error))
        try:
            out = self.sessionizer.process(message, offset=record.offset, arrived_at=record.arrived_at)
        except Exception as error:  # one record must not stop the stream
            log.exception("clicks[%d]@%d could not be processed", self.number, record.offset)
            self._bury(record, "internal_error", repr(error))
            return
        for output in out:
            self._publish(output, record.arrived_at, record)

    def quiet(self, now: int) -> bool:
        """Whether the wall clock ``now`` (ms) might close sessions here."""
        silence = now - self._arrived_at
        return bool(self.sessionizer.open_events) and silence >= self._settings.sessions.idle_timeout

    def tick(self, now: int) -> None:
        """Let the wall clock (ms) close sessions. Only right when no record before ``now`` waits to be taken."""
        for output in self.sessionizer.tick(now):
            self._publish(output, now, None)

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint of this moment, None if it is the one stored last."""
        checkpoint = self.sessionizer.checkpoint()
        return None if checkpoint == self._stored else checkpoint

    def store(self, checkpoint: Checkpoint) -> None:
        """Publish a checkpoint; call it only when everything published before it was made has been delivered."""
        name = self._settings.topic(CHECKPOINTS)
        value = msgspec.json.encode(checkpoint)
        self._outbox.publish(name, str(self.number).encode(), value, partition=self.number)
        self._stored = checkpoint

    def count(self) -> None:
        """Bring the counter of duplicates up to date."""
        metrics.DUPLICATES.inc(self.sessionizer.duplicates - self._duplicates)
        self._duplicates = self.sessionizer.duplicates

    def _publish(self, output: Output, closable_at: int, cause: Record | None) -> None:
        if isinstance(output, Rejected):
            if cause is not None:
                self._bury(cause, output.reason, output.message)
            return
        if isinstance(output, Session):
            user, name = output.user_id, contracts.SESSIONS
            headers = {"closable_at": str(closable_at).encode()}
            metrics.SESSIONS_CLOSED.labels(reason=output.close_reason).inc()
        else:
            user, name, headers = output.click.user_id, contracts.LATE_EVENTS, {}
            metrics.LATE_EVENTS.inc()
        topic, key, value = self._settings.topic(name), user.encode(), contracts.encode(output)
        try:
            self._outbox.publish(topic, key, value, partition=self.number, headers=headers)
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
            bury(self._outbox, self._settings, made, reason=error.reason, message=str(error))

    def _bury(self, record: Record, reason: str, message: str) -> None:
        if record.offset >= self._silent_before:
            bury(self._outbox, self._settings, record, reason=reason, message=message)
