"""How the checkpoints of a partition lie in their topic, and which of them counts (docs/adr/0017)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, NamedTuple
from uuid import uuid4

import msgspec
from msgspec import Meta

from mos_online.contracts.fields import Count, Id, Offset
from mos_online.errors import BrokerUnavailableError, ContractError
from mos_online.settings import Settings
from publishing.producer import RecordProducer
from streams.kafka.log_reader import LogReader
from streams.kafka.records import of_confluent

DEPTH = 8
"""So many checkpoints are looked at. A worker that was paused may add one after the last one that counts."""

ENVELOPE = 300
"""Bytes of a record beside the part of a checkpoint that it holds."""

log = logging.getLogger(__name__)


class Claim(msgspec.Struct, frozen=True, kw_only=True, tag="claim"):
    """A worker has been given the partition. The offset of this record is its term: later owners have higher ones."""

    id: Id


class Part(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """A part of a checkpoint, which may be too large for one record.

    Attributes:
        term: of the worker that has written it.
        number: counts the checkpoints of the term.
        part, parts: which of how many.
        content: bytes of the checkpoint.
    """

    term: Offset
    number: Count
    part: Count
    parts: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    content: bytes


class StoredCheckpoint(NamedTuple):
    """A whole checkpoint of the topic: its term, its number, and its bytes."""

    term: int
    number: int
    content: bytes


_decoder = msgspec.msgpack.Decoder(Claim | Part)


class CheckpointTopic:
    """Writes the checkpoints of one partition.

    Compaction keeps the last record of a key. Checkpoints of a term use two sets of keys in turn, so the last whole one
    stays while the next one is written. Each term has keys of its own, so a worker that was paused overwrites nothing.
    """

    def __init__(self, settings: Settings, producer: RecordProducer, name: str, partition: int) -> None:
        """Of one owner.

        Args:
            settings: name the topic on the cluster.
            producer: writes to it.
            name: of the topic, one of ``contracts.TOPICS`` that Kafka compacts.
            partition: its number.
        """
        self._name = settings.topic(name)
        self._producer = producer
        self._partition = partition
        self._claim = ""
        self._term = self._number = 0
        self._old: set[bytes] = set()

    def claim(self) -> None:
        """Begin a term, when the partition has become ours; ``look_back`` must follow when this is delivered."""
        self._claim = uuid4().hex
        self._publish(b"%d" % self._partition, msgspec.msgpack.encode(Claim(id=self._claim)))

    def look_back(self, reader: LogReader) -> Iterator[StoredCheckpoint]:
        """The last whole checkpoints, best first: that of the highest term and number counts. Blocks.

        Raises:
            BrokerError: as ``LogReader.backwards``, or our claim cannot be found.
        """
        term: int | None = None
        whole: list[StoredCheckpoint] = []
        parts: dict[tuple[int, int], dict[int, bytes]] = {}
        keys: set[bytes] = set()
        for message in reader.backwards(self._name, self._partition):
            record = of_confluent(message)
            found = _decoded(record.value, f"{self._name}[{self._partition}]@{record.offset}", record.offset)
            if isinstance(found, Part):
                keys.add(record.key or b"")
                some = parts.setdefault((found.term, found.number), {})
                some[found.part] = found.content
                if len(some) == found.parts:
                    content = b"".join(some[part] for part in sorted(some))
                    whole.append(StoredCheckpoint(found.term, found.number, content))
            elif found is not None and found.id == self._claim:
                term = record.offset
            if len(whole) >= DEPTH and term is not None:
                break
        if term is None:
            raise BrokerUnavailableError(f"what was written to {self._name}[{self._partition}] cannot be read there")
        self._term, self._number, self._old = term, 0, keys
        yield from sorted(whole, reverse=True)

    def store(self, content: bytes) -> None:
        """Publish a checkpoint of this term; only when everything published before has been delivered."""
        size = self._producer.room(self._name) - ENVELOPE
        chunks = [content[start : start + size] for start in range(0, len(content), size)]
        for part, chunk in enumerate(chunks):
            found = Part(term=self._term, number=self._number, part=part, parts=len(chunks), content=chunk)
            key = b"%d-%d-%d-%d" % (self._partition, self._term, self._number % 2, part)
            self._publish(key, msgspec.msgpack.encode(found))
        if self._number == 1:  # the first one is on the topic, so nobody needs those of earlier terms
            for key in self._old:
                self._publish(key, None)
        self._number += 1

    def _publish(self, key: bytes, value: bytes | None) -> None:
        self._producer.publish(self._name, key, value, partition=self._partition)


def _decoded(value: bytes | None, place: str, offset: int) -> Claim | Part | None:
    """A record of the topic; None if it is none of ours, or takes the place of one that nobody needs any more."""
    if value is None:
        return None
    try:
        found: Claim | Part = _decoder.decode(value)
        if isinstance(found, Part) and not (found.part < found.parts and found.term < offset):
            raise ContractError("invalid", f"part {found.part} of {found.parts}, term {found.term}")
    except (msgspec.MsgspecError, ContractError, RecursionError, UnicodeDecodeError) as error:
        log.error("%s is no part of a checkpoint: %s", place, error)
        return None
    return found
