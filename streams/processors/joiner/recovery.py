"""Where the joiner of a partition goes on after a restart or a rebalance."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from mos_online import contracts
from mos_online.contracts import Outcome
from mos_online.errors import BrokerError, ContractError
from mos_online.feedback.checkpoint import JoinerCheckpoint, Offsets
from mos_online.settings import Settings
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import LogReader, shrunk, truncated
from streams.kafka.records import Record, of_confluent
from streams.processors.checkpoint_topic import StoredCheckpoint
from streams.processors.joiner.partition import INPUTS, JoinerPartition, Message

Read = Callable[[Record], Message]
"""The message in a record; raises ``ContractError`` if it cannot be used."""

Refuse = Callable[[Record, Exception], None]
"""Makes a dead letter of a record."""

log = logging.getLogger(__name__)
_decode = json_decoder(JoinerCheckpoint)


def restore(
    partition: JoinerPartition, settings: Settings, reader: LogReader, read: Read, refuse: Refuse, *, accept_loss: bool
) -> list[Outcome]:
    """Bring a partition to where the logs end now; it has claimed its checkpoints. Blocks.

    Args:
        partition: to be restored.
        settings: name the topics.
        reader: of the logs.
        read: decodes and checks records.
        refuse: told which ones cannot be used, of those after the checkpoint.
        accept_loss: go on where records are gone that were needed.

    Returns:
        The outcomes of the last step of the checkpoint, which may not have been published. If there are any, the
        partition's checkpoint must be durable in the term of this owner before they are.

    Raises:
        BrokerError: Kafka cannot be reached, no checkpoint can be read although there are some, or records are gone.
    """
    began = time.monotonic()
    names = [settings.topic(name) for name in INPUTS]
    bounds = [reader.bounds(name, partition.number) for name in names]
    place = f"{settings.topic(contracts.JOINER_CHECKPOINTS)}[{partition.number}]"
    checkpoint = _last_checkpoint(partition.checkpoints.look_back(reader), place, accept_loss=accept_loss)
    if checkpoint is None:
        checkpoint = JoinerCheckpoint.of_nothing(partition.rules, Offsets(*(low for low, _ in bounds)))
    elif (fault := _fault(partition.number, names, bounds, checkpoint)) is not None:
        if not accept_loss:
            raise fault
        log.error("going on without them: %s", fault)
        checkpoint = _without_lost(checkpoint, bounds)
    partition.begin(checkpoint)
    for name, (low, _) in zip(INPUTS, bounds, strict=True):  # what is gone was not needed
        partition.next_offsets[name] = max(partition.next_offsets[name], low)
    outcomes: list[Outcome] = []
    for step in checkpoint.steps[1:]:
        _take(partition, settings, reader, read, _passed_over, step.taken)
        partition.joiner.rules = step.rules
        outcomes = partition.joiner.advance(step.watermark)
    partition.joiner.rules = partition.rules
    partition.forget_measures()
    _take(partition, settings, reader, read, refuse, Offsets(*(high for _, high in bounds)))
    log.info("partition %d of the joiner restored in %.1f s", partition.number, time.monotonic() - began)
    return outcomes


def _passed_over(record: Record, error: Exception) -> None:
    """It has been a dead letter since it was taken first."""
    log.debug("%s[%d]@%d is passed over: %s", record.topic, record.partition, record.offset, error)


def _take(
    partition: JoinerPartition, settings: Settings, reader: LogReader, read: Read, refuse: Refuse, end: Offsets
) -> None:
    """Take the records of all inputs up to these offsets."""
    for name, stop in zip(INPUTS, end.of_inputs(), strict=True):
        for record in _records(partition, settings, reader, name, stop):
            try:
                partition.take(name, record, read(record), now=time.time_ns() // 1_000_000)
            except BrokerError:
                raise
            except Exception as error:
                partition.take(name, record, None, now=0)
                refuse(record, error)
        partition.next_offsets[name] = max(partition.next_offsets[name], stop)


def _records(
    partition: JoinerPartition, settings: Settings, reader: LogReader, name: str, stop: int
) -> Iterator[Record]:
    for message in reader.read(settings.topic(name), partition.number, partition.next_offsets[name], stop):
        if not partition.wanted:
            return
        yield of_confluent(message)


def _fault(
    number: int, names: list[str], bounds: list[tuple[int, int]], checkpoint: JoinerCheckpoint
) -> BrokerError | None:
    """Why the logs are not those of the checkpoint, or lack what it needs."""
    last = checkpoint.steps[-1].taken.of_inputs()
    for name, (low, high), start, end in zip(names, bounds, checkpoint.first_needed, last, strict=True):
        if high < end:
            return shrunk(name, number, end, high)
        if start < low:
            return truncated(name, number, start, low)
    return None


def _without_lost(checkpoint: JoinerCheckpoint, bounds: list[tuple[int, int]]) -> JoinerCheckpoint:
    """A checkpoint at the last step, of logs that begin where they do."""
    last = checkpoint.steps[-1]
    kept = [min(max(offset, low), high) for offset, (low, high) in zip(last.taken.of_inputs(), bounds, strict=True)]
    return JoinerCheckpoint(steps=[last.at(Offsets(*kept))])


def _last_checkpoint(stored: Iterable[StoredCheckpoint], place: str, *, accept_loss: bool) -> JoinerCheckpoint | None:
    """The checkpoint that counts, of those that lie at ``place``, best first; None if there is none."""
    for one in stored:
        try:
            checkpoint = _decode(one.content)
            if checkpoint.steps:
                return checkpoint
            fault = "it has no steps"
        except ContractError as error:
            fault = str(error)
        log.error("checkpoint %d of term %d in %s cannot be read: %s", one.number, one.term, place, fault)
        if not accept_loss:  # an older one would give outcomes that were published with other contents
            raise BrokerError(
                f"the last checkpoint in {place} cannot be read ({fault}): another program or another version has "
                "written it. Choose another MOS_NAMESPACE; or start with `mos worker --accept-loss`: outcomes may then "
                "be published again, with other contents"
            )
    return None
