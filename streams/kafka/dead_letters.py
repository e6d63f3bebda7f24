"""Puts a record that cannot be used where a person can look at it."""

from __future__ import annotations

import logging

from mos_online import contracts
from mos_online.contracts import DeadLetter
from mos_online.settings import Settings
from streams import metrics
from streams.kafka.producer import RecordProducer
from streams.kafka.records import Record

RAW_BYTES = 500_000
"""A longer record is kept cut to this, so that in base64 it still fits into a Kafka message."""

log = logging.getLogger(__name__)


def dead_letter(producer: RecordProducer, settings: Settings, record: Record, *, reason: str, message: str) -> None:
    """Publish a dead letter. ``failed_at`` is the record's own time, so that a repeat is identical (ADR 5)."""
    letter = DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        message=message[:2000],
        key=record.key,
        raw=(record.value or b"")[:RAW_BYTES],
        failed_at=record.arrived_at,
    )
    producer.publish(settings.topic(contracts.DEAD_LETTERS), record.key, contracts.encode(letter))
    metrics.DEAD_LETTERS.labels(reason=reason).inc()
    log.debug("dead letter %s[%d]@%d %s: %s", record.topic, record.partition, record.offset, reason, message[:200])
