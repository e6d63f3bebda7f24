"""Where the sessionizer of a partition goes on after a restart or a rebalance."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import uuid4

import msgspec

from mos_online import contracts
from mos_online.errors import BrokerError, ContractError, SettingsError
from mos_online.sessions import SessionizerCheckpoint
from mos_online.settings import Settings
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import RETAIN, LogReader, truncated
from streams.kafka.records import of_confluent

log = logging.getLogger(__name__)
_decode = json_decoder(SessionizerCheckpoint)


@dataclass(frozen=True, kw_only=True)
class InMemoryState:
    """What a partition still has in memory from the time when it was ours before; of a new one, nothing.

    Attributes:
        stored: the checkpoint that it stored last; empty if there is none.
        next_offset: the offset of the next record of ``clicks`` that it needs.
        silent_before: the offset up to which everything was published at the checkpoint that it began with.
    """

    stored: bytes
    next_offset: int
    silent_before: int


@dataclass(frozen=True, kw_only=True)
class RecoveryPlan:
    """How to go on: from a checkpoint or from memory, and with which records.

    Attributes:
        checkpoint: to begin with; None: go on with what is in memory.
        stored: what its topic holds last; empty if that is nothing.
        unsecured: what its topic must hold before anything is processed; None if it does.
        start: offset of the first record to read.
        stop: offset behind the last record to read. The consumer group gets the records from there on.
        log_end: where the log ended. Nobody has processed records from there on.
        accept_loss: go on where records are gone that were needed.
    """

    checkpoint: SessionizerCheckpoint | None
    stored: bytes
    unsecured: bytes | None
    start: int
    stop: int
    log_end: int
    accept_loss: bool


def plan_recovery(
    settings: Settings, reader: LogReader, number: int, *, in_memory: InMemoryState, accept_loss: bool
) -> RecoveryPlan:
    """Find out where partition ``number`` goes on. Blocks.

    If the last checkpoint is the one that this partition has stored itself, nobody else has worked on it in the
    meantime, and it goes on from memory.

    Args:
        settings: name the topics.
        reader: of the logs.
        number: of the partition.
        in_memory: what the partition still has in memory.
        accept_loss: go on where records are gone that were needed.

    Raises:
        BrokerError: Kafka cannot be reached; no checkpoint can be read although there are some; the topic is another
            one than before; or it has dropped records that were not processed. ``accept_loss`` goes on without a
            checkpoint and without these records.
    """
    clicks, checkpoints = settings.topic(contracts.CLICKS), settings.topic(contracts.SESSIONIZER_CHECKPOINTS)
    last, stored = _last_checkpoint(reader, checkpoints, number, accept_loss=accept_loss)
    low, high = reader.bounds(clicks, number)
    found, unsecured = None, None
    if last is not None and stored == in_memory.stored:
        start, processed = in_memory.next_offset, max(in_memory.next_offset, in_memory.silent_before)
    else:
        found = last or SessionizerCheckpoint.of_nothing(settings.sessions, offset=low, log_id=uuid4().hex)
        found = found.under(settings.sessions, log_end=high)
        start, processed = found.start.offset, found.published_to
        encoded = msgspec.json.encode(found)
        unsecured = encoded if encoded != stored else None
    if max(processed, start) > high:
        raise BrokerError(
            f"{clicks}[{number}] ends at offset {high}, but {max(processed, start)} of it have been processed: it is "
            f"not the topic that it was. Delete the topic {checkpoints}, which belongs to the old one, and create it "
            "with `mos topics create`; or choose another MOS_NAMESPACE"
        )
    if start < low:
        can_be_closed = found is not None and found.published_to >= low
        if not can_be_closed and not accept_loss:
            raise truncated(clicks, number, start, low)
        if not can_be_closed:
            log.error("%s[%d]: offsets %d to %d are lost, going on without them", clicks, number, start, low - 1)
        found, start = found.beginning_at(low) if found is not None else None, low
    # Records may have been acknowledged after the last checkpoint; the agent does not get them again.
    stop = min(high, max(start, processed, reader.committed("sessionizer", clicks, number)))
    return RecoveryPlan(
        checkpoint=found,
        stored=stored,
        unsecured=unsecured,
        start=start,
        stop=stop,
        log_end=high,
        accept_loss=accept_loss,
    )


def check_intact(missing: int, plan: RecoveryPlan, settings: Settings, number: int) -> None:
    """Check that a re-read has found the events of all open sessions.

    Args:
        missing: how many it has not found.
        plan: of the re-read.
        settings: name the topic.
        number: of the partition.

    Raises:
        BrokerError: it has not, and the plan does not accept a loss.
    """
    if missing == 0:
        return
    clicks = settings.topic(contracts.CLICKS)
    what = f"{missing} events of open sessions are not in {clicks}[{number}] any more, which begins at {plan.start}"
    if missing < 0:
        what = f"{clicks}[{number}] has {-missing} events too many in open sessions: it is not the log that it was"
    if not plan.accept_loss:
        raise BrokerError(f"{what}. {RETAIN}")
    log.error("%s; going on", what)


def _last_checkpoint(
    reader: LogReader, topic: str, number: int, *, accept_loss: bool
) -> tuple[SessionizerCheckpoint | None, bytes]:
    """The last checkpoint that can be read, and its bytes.

    An older one is as good: what has been published since is published again, byte for byte.
    """
    fault: str | None = None
    for message in reader.backwards(topic, number):
        stored = of_confluent(message).value or b""
        try:
            return decode_checkpoint(stored), stored
        except ContractError as error:
            log.error("the checkpoint %s[%d]@%s cannot be read: %s", topic, number, message.offset(), error)
            fault = fault or str(error)
    if fault is not None and not accept_loss:
        raise BrokerError(
            f"no checkpoint in {topic}[{number}] can be read ({fault}): another program or another version has written "
            "them. Choose another MOS_NAMESPACE; or start with `mos worker --accept-loss`: open sessions then begin "
            "with the oldest click that Kafka has, and sessions since then are published again"
        )
    return None, b""


def decode_checkpoint(stored: bytes) -> SessionizerCheckpoint:
    """Read a checkpoint as it lies in its topic.

    Raises:
        ContractError: it is not JSON, a field is missing, mistyped or out of range, or it contradicts itself.
    """
    try:
        checkpoint = _decode(stored)
    except SettingsError as error:  # rules that cannot be
        raise ContractError("invalid", str(error)) from None
    start, end = checkpoint.start.offset, checkpoint.published_to
    middle = checkpoint.middle.offset if checkpoint.middle is not None else end
    offsets = [decision.offset for decision in checkpoint.decisions]
    planned = [plan.offset for plan in checkpoint.planned]
    if not 0 <= start <= middle <= end or offsets != sorted(offsets) or planned != sorted(planned):
        raise ContractError("invalid", f"start {start}, middle {middle}, published_to {end}, decisions {offsets[:9]}")
    return checkpoint
