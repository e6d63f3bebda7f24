"""Where the sessionizer of a partition goes on after a restart or a rebalance."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec

from mos_online import contracts
from mos_online.errors import BrokerError
from mos_online.sessions import SessionizerCheckpoint
from mos_online.settings import Settings
from streams.kafka.log_reader import LogReader, truncated

log = logging.getLogger(__name__)


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
        BrokerError: Kafka cannot be reached; the checkpoint cannot be read; the topic is another one than before; or
            it has dropped records that are needed, and ``accept_loss`` is not set.
    """
    clicks, checkpoints = settings.topic(contracts.CLICKS), settings.topic(contracts.SESSIONIZER_CHECKPOINTS)
    last = reader.last(checkpoints, number)
    stored = (last.value() or b"") if last is not None else b""
    low, high = reader.bounds(clicks, number)
    checkpoint, silent_before = None, in_memory.silent_before
    if stored != in_memory.stored:
        checkpoint = _decode(stored, f"{checkpoints}[{number}]")
        start, silent_before = checkpoint.offset, checkpoint.published_to
    elif stored:
        start = in_memory.next_offset
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


def _decode(stored: bytes, place: str) -> SessionizerCheckpoint:
    try:
        return msgspec.json.decode(stored, type=SessionizerCheckpoint)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokerError(
            f"the last checkpoint in {place} cannot be read ({error}): another program or another version has written "
            "it. Choose another MOS_NAMESPACE, or delete the topic and create it with `mos topics create`: open "
            "sessions then begin with the oldest click that Kafka has"
        ) from None
