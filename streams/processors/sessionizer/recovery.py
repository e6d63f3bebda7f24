"""Where the sessionizer of a partition goes on after a restart or a rebalance."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mos_online import contracts
from mos_online.errors import BrokerError, ContractError, SettingsError
from mos_online.sessions import SessionizerCheckpoint
from mos_online.settings import Settings
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import LogReader, truncated
from streams.kafka.records import of_confluent

log = logging.getLogger(__name__)
_decode = json_decoder(SessionizerCheckpoint)


@dataclass(frozen=True, kw_only=True)
class InMemoryState:
    """What a partition still has in memory from the time when it was ours before; of a new one, nothing.

    Attributes:
        stored: the checkpoint that it stored last; empty if there is none.
        next_offset: the offset of the next record of ``clicks`` that it needs.
        silent_before: the offset up to which everything was published at its last checkpoint.
    """

    stored: bytes
    next_offset: int
    silent_before: int


@dataclass(frozen=True, kw_only=True)
class RecoveryPlan:
    """How to go on: from a checkpoint or from memory, and with which records.

    Attributes:
        checkpoint: to begin with; None: go on with what is in memory.
        stored: the same as it lies in its topic.
        start: offset of the first record to read.
        stop: offset behind the last record to read. The consumer group gets the records from there on.
    """

    checkpoint: SessionizerCheckpoint | None
    stored: bytes
    start: int
    stop: int


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
            one than before; or it has dropped records that are needed. ``accept_loss`` goes on without a checkpoint
            and without these records.
    """
    clicks, checkpoints = settings.topic(contracts.CLICKS), settings.topic(contracts.SESSIONIZER_CHECKPOINTS)
    checkpoint, stored = _last_checkpoint(reader, checkpoints, number, accept_loss=accept_loss)
    low, high = reader.bounds(clicks, number)
    silent_before = in_memory.silent_before
    if checkpoint is not None and stored != in_memory.stored:
        start, silent_before = checkpoint.offset, checkpoint.published_to
    elif checkpoint is not None:
        start, checkpoint = in_memory.next_offset, None
    else:
        start = max(low, in_memory.next_offset)
    if silent_before > high or start > high:
        raise BrokerError(
            f"{clicks}[{number}] ends at offset {high}, but {max(silent_before, start)} of it have been processed: "
            f"the topic was made anew. Delete {checkpoints} too and create both with `mos topics create`, or choose "
            "another MOS_NAMESPACE"
        )
    if start < low:
        if not accept_loss:
            raise truncated(clicks, number, start, low)
        log.error("%s[%d]: offsets %d to %d are lost, going on without them", clicks, number, start, low - 1)
        start = low
    # Records may have been acknowledged after the last checkpoint; the agent does not get them again.
    stop = min(high, max(start, silent_before, reader.committed("sessionizer", clicks, number)))
    return RecoveryPlan(checkpoint=checkpoint, stored=stored, start=start, stop=stop)


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
    if not 0 <= checkpoint.offset <= checkpoint.published_to:
        raise ContractError("invalid", f"offset {checkpoint.offset}, published_to {checkpoint.published_to}")
    return checkpoint
