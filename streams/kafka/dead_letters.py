"""Puts records that cannot be used where a person can look at them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from mos_online import contracts
from mos_online.contracts import DeadLetter, Header
from mos_online.errors import BrokerError, ContractError, MosError
from mos_online.settings import Settings
from publishing.producer import RecordProducer
from streams import metrics
from streams.kafka.records import Record


class _Cut(NamedTuple):
    """So many bytes of a record, and characters of the message, are in its dead letter at most."""

    value: int
    key: int
    headers: int
    message: int


CUTS = (
    _Cut(500_000, 1_024, 8_192, 2_000),
    _Cut(50_000, 1_024, 1_024, 1_000),
    _Cut(5_000, 1_024, 0, 500),
    _Cut(0, 256, 0, 200),
)
"""The first whose dead letter Kafka takes is used. In base64, the first fits into what Kafka takes by default."""

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

        What is too large for Kafka is cut; the letter says how large it was, and where the record is.

        ``failed_at`` is read from the worker's clock, so a repeat after a crash differs in it (ADR 5). Records of the
        topic are told apart by ``topic``, ``partition`` and ``offset``.

        Raises:
            BrokerError: Kafka does not even take a dead letter of a thousand bytes.
        """
        for cut in CUTS:
            letter = self._letter(record, reason, message, cut)
            try:
                self._producer.publish(self._topic, letter.key, contracts.encode(letter))
            except ContractError:  # too large
                continue
            metrics.DEAD_LETTERS.labels(processor=self._processor, reason=reason).inc()
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            log.debug("dead letter %s %s: %s", place, reason, message[:200])
            return
        raise BrokerError(
            f"{self._topic} takes no message of a thousand bytes: raise max.message.bytes of the topic to 1 MB"
        )

    def _letter(self, record: Record, reason: str, message: str, cut: _Cut) -> DeadLetter:
        key, value = record.key, record.value
        headers, size = [], 0
        for name, content in record.headers:
            header = Header(name=name, value=content)
            size += header.size
            if size <= cut.headers:
                headers.append(header)
        return DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            processor=self._processor,
            reason=reason,
            message=message[: cut.message].encode(errors="replace").decode(),
            key=None if key is None else key[: cut.key],
            key_size=len(key or b""),
            raw=None if value is None else value[: cut.value],
            raw_size=len(value or b""),
            headers=headers,
            headers_size=size,
            record_timestamp=record.timestamp,
            failed_at=self._now(),
        )


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
