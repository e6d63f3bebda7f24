"""Where the sessionizer of a partition goes on after a restart or a rebalance."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

import msgspec

from mos_online import contracts
from mos_online.errors import BrokerError, ContractError, SettingsError
from mos_online.sessions import SessionizerCheckpoint
from mos_online.settings import Settings
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import RETAIN, LogReader, shrunk, truncated
from streams.processors.checkpoint_topic import StoredCheckpoint

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
        unsecured: what must be stored in the new term before anything is processed.
        start: offset of the first record to read.
        stop: offset behind the last record to read. The consumer group gets the records from there on.
        log_end: where the log ended. Nobody has processed records from there on.
        accept_loss: go on where records are gone that were needed.
    """

    checkpoint: SessionizerCheckpoint | None
    stored: bytes
    unsecured: bytes
    start: int
    stop: int
    log_end: int
    accept_loss: bool


def plan_recovery(
    settings: Settings,
    reader: LogReader,
    number: int,
    *,
    stored: Iterable[StoredCheckpoint],
    in_memory: InMemoryState,
    accept_loss: bool,
) -> RecoveryPlan:
    """Find out where partition ``number`` goes on. Blocks.

    If the last checkpoint is the one that this partition has stored itself, nobody else has worked on it in the
    meantime, and it goes on from memory.

    Args:
        settings: name the topics.
        reader: of the logs.
        number: of the partition.
        stored: the last checkpoints, best first.
        in_memory: what the partition still has in memory.
        accept_loss: go on where records are gone that were needed.

    Raises:
        BrokerError: Kafka cannot be reached; no checkpoint can be read although there are some; the topic is another
            one than before; or it has dropped records that were not processed. ``accept_loss`` goes on without a
            checkpoint and without these records.
    """
    clicks, checkpoints = settings.topic(contracts.CLICKS), settings.topic(contracts.SESSIONIZER_CHECKPOINTS)
    last, content = last_checkpoint(stored, f"{checkpoints}[{number}]", accept_loss=accept_loss)
    low, high = reader.bounds(clicks, number)
    in_use = last is not None and content == in_memory.stored
    reached = in_memory.next_offset if in_use else 0
    if last is not None and max(reached, last.start.offset, last.published_to) > high:
        reached = max(reached, last.start.offset, last.published_to)
        if not accept_loss:
            raise shrunk(clicks, number, reached, high)
        log.error("%s[%d] ends at %d, but was read up to %d: it begins anew", clicks, number, high, reached)
        last, in_use = None, False
    found, unsecured = None, content
    if in_use:
        start, processed = in_memory.next_offset, max(in_memory.next_offset, in_memory.silent_before)
    else:
        found = last or SessionizerCheckpoint.of_nothing(settings.sessions, offset=low, log_id=uuid4().hex)
        found = found.under(settings.sessions, log_end=high)
        start, processed = found.start.offset, found.published_to
        unsecured = msgspec.json.encode(found)
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
        stored=content,
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


def last_checkpoint(
    stored: Iterable[StoredCheckpoint], place: str, *, accept_loss: bool
) -> tuple[SessionizerCheckpoint | None, bytes]:
    """The first of these checkpoints that can be read, and its bytes.

    An older one is as good: what has been published since is published again, byte for byte.

    Args:
        stored: best first.
        place: where they lie, for messages.
        accept_loss: go on as if there were none, where there are some and none can be read.

    Raises:
        BrokerError: none can be read.
    """
    fault: str | None = None
    for one in stored:
        try:
            return decode_checkpoint(one.content), one.content
        except ContractError as error:
            log.error("checkpoint %d of term %d in %s cannot be read: %s", one.number, one.term, place, error)
            fault = fault or str(error)
    if fault is not None and not accept_loss:
        raise BrokerError(
            f"no checkpoint in {place} can be read ({fault}): another program or another version has written "
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
