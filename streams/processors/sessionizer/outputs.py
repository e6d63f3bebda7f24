"""Publishes what the sessionizer of one partition makes of the clicks: sessions, late events and dead letters."""

from __future__ import annotations

import logging

from mos_online import contracts
from mos_online.contracts import AcceptedClicks, LateEvent, Session
from mos_online.errors import ContractError
from mos_online.sessions import Output
from mos_online.settings import Settings
from publishing.producer import Delay, Headers, RecordProducer
from streams import metrics
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.headers import CLOSABLE_AT
from streams.kafka.records import Record

log = logging.getLogger(__name__)


class OutputPublisher:
    """Publishes the outputs of one partition.

    Attributes:
        count: how many outputs there have been.
        silent_before: records before this offset are read again; their dead letters have been published already.
    """

    def __init__(self, settings: Settings, producer: RecordProducer, dead_letters: DeadLetters, number: int) -> None:
        self.count = 0
        self.silent_before = 0
        self._producer = producer
        self._dead_letters = dead_letters
        self._number = number
        self._sessions, self._late = settings.topic(contracts.SESSIONS), settings.topic(contracts.LATE_EVENTS)
        self._accepted = settings.topic(contracts.ACCEPTED_CLICKS)
        self._delay = metrics.DELAY_SECONDS.labels(contracts.SESSIONS)

    def publish(self, output: Output, *, closable_at: int, cause: Record | None) -> None:
        """Publish one output.

        Args:
            output: a closed session, a late event, or the rejection of a click.
            closable_at: when it could come about, by Kafka's clock (ms).
            cause: the record that brought it about; None if it was the wall clock.
        """
        self.count += 1
        if isinstance(output, Session):
            metrics.SESSIONS_CLOSED.labels(reason=output.close_reason).inc()
            delay = Delay(self._delay, since=closable_at)
            self._send(self._sessions, output.user_id, output, closable_at, delay)
        elif isinstance(output, LateEvent):
            metrics.LATE_EVENTS.inc()
            self._send(self._late, output.click.user_id, output, closable_at, None)
        elif cause is not None and cause.offset >= self.silent_before:
            self._dead_letters.add(cause, reason=output.reason, message=output.message)

    def refuse(self, record: Record, error: Exception) -> None:
        """Make a dead letter of a record that caused an error."""
        if record.offset >= self.silent_before:
            self._dead_letters.refuse(record, error)

    def publish_accepted(self, message: AcceptedClicks | None) -> None:
        """Publish accepted clicks, if there are any; in several records if one is too large."""
        if message is None:
            return
        value = contracts.encode(message)
        try:
            self._producer.publish(self._accepted, str(self._number).encode(), value, partition=self._number)
        except ContractError as error:
            if len(message.places) == 1:
                log.warning("a click on %r does not count in the popularity: %s", message.items[0], error)
                return
            for half in message.halves():
                self.publish_accepted(half)

    def _send(
        self, topic: str, user_id: str, output: Session | LateEvent, closable_at: int, delay: Delay | None
    ) -> None:
        key, value = user_id.encode(), contracts.encode(output)
        headers: Headers = ((CLOSABLE_AT, str(closable_at).encode()),)
        try:
            self._producer.publish(topic, key, value, partition=self._number, headers=headers, delay=delay)
        except ContractError as error:  # too large for Kafka
            made = Record(
                topic=topic,
                partition=self._number,
                offset=-1,
                key=key,
                value=value,
                timestamp=closable_at,
                headers=headers,
            )
            self._dead_letters.refuse(made, error)
