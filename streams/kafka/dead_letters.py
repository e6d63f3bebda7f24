"""Puts records that cannot be used where a person can look at them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mos_online import contracts
from mos_online.contracts import DeadLetter
from mos_online.errors import ContractError, MosError
from mos_online.settings import Settings
from streams import metrics
from streams.kafka.producer import RecordProducer
from streams.kafka.records import Record

RAW_BYTES, KEY_BYTES = 500_000, 10_000
"""A longer value or key is cut to this, so that both, in base64, fit into a Kafka message."""

INTERNAL_ERROR = "internal_error"
"""The reason of a record on which our own code fails."""

log = logging.getLogger(__name__)


class DeadLetters:
    """The dead letters of one processor. All of them are made here."""

    def __init__(
        self,
        producer: RecordProducer,
        settings: Settings,
        *,
        processor: str,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Prepare the dead letters of one processor.

        Args:
            producer: publishes them.
            settings: names the topic.
            processor: whose they are, a label of the metrics.
            now: the worker's clock, milliseconds since 1970 UTC.
        """
        self._producer = producer
        self._processor = processor
        self._now = now
        self._topic = settings.topic(contracts.DEAD_LETTERS)

    def refuse(self, record: Record, error: Exception) -> None:
        """Publish a record as a dead letter because of an error that it caused.

        A ``ContractError`` gives its reason. Any other error is one of our code: the reason is ``INTERNAL_ERROR``, and
        the log has the traceback.
        """
        bug = error if not isinstance(error, ContractError) else error.__cause__
        if bug is not None:
            log.error("%s[%d]@%d cannot be used", record.topic, record.partition, record.offset, exc_info=bug)
        if isinstance(error, ContractError):
            self.add(record, reason=error.reason, message=str(error))
        else:
            self.add(record, reason=INTERNAL_ERROR, message=repr(error))

    def add(self, record: Record, *, reason: str, message: str) -> None:
        """Publish a record as a dead letter.

        ``failed_at`` is read from the worker's clock, so a repeat after a crash differs in it (ADR 5). Records of the
        topic are told apart by ``topic``, ``partition`` and ``offset``.
        """
        key = record.key if record.key is None else record.key[:KEY_BYTES]
        letter = DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
            message=message[:2000].encode(errors="replace").decode(),
            key=key,
            raw=(record.value or b"")[:RAW_BYTES],
            record_timestamp=record.timestamp,
            failed_at=self._now(),
        )
        self._producer.publish(self._topic, key, contracts.encode(letter))
        metrics.DEAD_LETTERS.labels(processor=self._processor, reason=reason).inc()
        log.debug("dead letter %s[%d]@%d %s: %s", record.topic, record.partition, record.offset, reason, message[:200])


@contextmanager
def record_at_fault() -> Iterator[None]:
    """Around work that fails only because of the records it is given: makes any error a ``ContractError``.

    Errors that were raised on purpose pass unchanged.
    """
    try:
        yield
    except MosError:
        raise
    except Exception as error:
        raise ContractError(INTERNAL_ERROR, repr(error)) from error
