"""Reads all partitions of the learner's topics, outside of any consumer group: the learner's log says how far."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from learning import metrics
from learning.same_topic import others
from mos_online.contracts import OUTCOMES, SESSIONS
from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.kafka_config import librdkafka_config
from mos_online.learning.order import Source
from mos_online.settings import Settings
from publishing.faults import broker_error
from publishing.outage import Outage

TOPICS = (SESSIONS, OUTCOMES)

TIMEOUT = 10.0
"""Seconds to wait for an answer of Kafka."""

MOST = 2000
"""Records that are taken at once."""

LOOK_EVERY = 30.0
"""Seconds between looks whether a topic has got more partitions."""

log = logging.getLogger(__name__)


class TopicReader:
    """The records of all partitions, from given offsets on.

    Attributes:
        trouble: why nothing can be read now; None if all is well.
        offsets: of the next record of each partition.
        replaced: partitions that are read from their start again, because they are not those that they were; whoever
            takes note removes them.
    """

    def __init__(
        self,
        settings: Settings,
        offsets: Mapping[Source, int],
        *,
        kept: Mapping[Source, tuple[int, bytes]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect in the background.

        Args:
            settings: where Kafka is.
            offsets: where reading goes on; a partition that is not there is read from its first record on.
            kept: offset and value of the last record that is known of a partition, when the first ``poll`` begins. If
                the topic has another one there, it was made again, and is read from its first record on.
            clock: in seconds.

        Raises:
            BrokerError, SettingsError: as ``librdkafka_config``.
        """
        config = librdkafka_config(settings)
        self.trouble: str | None = None
        self.offsets = dict(offsets)
        self._clock = clock
        self._names = {settings.topic(topic): topic for topic in TOPICS}
        self.replaced: set[Source] = set()
        self._kept = kept
        self._outage = Outage(settings, config["bootstrap.servers"], self._note)
        self._config = {
            **config,
            "group.id": settings.group("learner"),  # librdkafka asks for one; nothing is committed to it
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 32_768,
            "log_level": 2,
            "error_cb": self._outage.note,
        }
        self._consumer = Consumer(self._config)
        self._ended: dict[Source, float] = {}
        self._reached: set[Source] = set()
        self._paused: set[Source] = set()
        self._sources: set[Source] = set()
        self._next_look = 0.0

    @property
    def sources(self) -> set[Source]:
        """All partitions that are read."""
        return set(self._sources)

    @property
    def caught_up(self) -> bool:
        """Whether the end of each partition has been reached once; others may have been written since."""
        return bool(self._sources) and self._reached == self._sources

    def idle(self, seconds: float) -> set[Source]:
        """The partitions whose records have all been read, the last one at least so long ago."""
        now = self._clock()
        return {source for source, since in self._ended.items() if now - since >= seconds}

    def hold(self, sources: set[Source]) -> None:
        """Read these partitions no further for now, and all others."""
        held = sources & self._sources
        self._consumer.pause([self._place(source) for source in held - self._paused])
        self._consumer.resume([self._place(source) for source in self._paused - held])
        self._paused = held

    def poll(self, seconds: float) -> list[tuple[Source, Message]]:
        """The next records, in the order of each partition; waits at most so long.

        A Kafka that goes away, and topics that do not exist, are waited for: see ``trouble``.

        Raises:
            BrokerError: no waiting mends it.
        """
        if self._clock() >= self._next_look:
            self._assign()
        found = []
        for message in self._consumer.consume(MOST, seconds) if self._sources else self._pause(seconds):
            error = message.error()
            if error is not None:
                self._fault(message, error)
                continue
            source = self._source(message)
            found.append((source, message))
            self._ended.pop(source, None)
            self.offsets[source] = int(message.offset() or 0) + 1
        if found:
            self._outage.over()
        self._outage.look(self._consumer, next(iter(self._names)))
        return found

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    @staticmethod
    def _pause(seconds: float) -> list[Message]:
        """Nothing can be read yet."""
        time.sleep(seconds)
        return []

    def _note(self, line: str) -> None:
        log.warning("%s", line)
        self.trouble = None if line == "Kafka is back" else line

    def _fault(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            self._ended.setdefault(self._source(message), self._clock())
            self._reached.add(self._source(message))
        elif error.code() in {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}:  # noqa: SLF001
            self._go_on(self._source(message))
        else:
            self._outage.note(error)

    def _assign(self) -> None:
        """Read all partitions that there are now."""
        self._next_look = self._clock() + LOOK_EVERY
        try:
            there = self._there()
            new = sorted(there - self._sources)
            starts = self._starts(new)
        except BrokerUnavailableError as error:
            self._next_look = self._clock() + 1.0
            if self.trouble != str(error):
                log.warning("waiting for Kafka: %s", error)
            self.trouble = str(error)
            return
        if self.trouble is not None:
            log.warning("Kafka is back")
        self.trouble = None
        if new:
            self._sources = there
            self._consumer.incremental_assign(starts)

    def _there(self) -> set[Source]:
        """The partitions of our topics."""
        try:
            topics = self._consumer.list_topics(timeout=TIMEOUT).topics
        except KafkaException as error:
            raise broker_error(error, "cannot reach Kafka") from None
        missing = [name for name in self._names if name not in topics or not topics[name].partitions]
        if missing:
            raise BrokerUnavailableError(
                f"there is no topic {', '.join(missing)}; create what is missing with `mos topics create`"
            )
        return {Source(topic, number) for name, topic in self._names.items() for number in topics[name].partitions}

    def _starts(self, new: Sequence[Source]) -> list[TopicPartition]:
        """Where partitions are read from that are read for the first time."""
        bounds = {source: self._bounds(source) for source in new}
        known = {}
        for source, (low, high) in bounds.items():
            wanted, last = self.offsets.get(source), self._kept.get(source)
            if last is not None and last[0] + 1 == wanted and low < wanted <= high:
                known[self._place_of(source)] = last
        replaced = others(self._config, known)
        for source, (low, _) in bounds.items():
            if self._place_of(source) in replaced:
                log.error("%s[%d] is not the topic that it was: it is read from its start", *source)
                self.replaced.add(source)
                self.offsets[source] = low
        return [TopicPartition(*self._place_of(source), self._start(source)) for source in new]

    def _bounds(self, source: Source) -> tuple[int, int]:
        """The offsets of a partition's first record and of the next one that is written."""
        name, number = self._place_of(source)
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(name, number), timeout=TIMEOUT)
        except KafkaException as error:
            raise broker_error(error, f"cannot ask Kafka about {name}[{number}]") from None
        if bounds is None:
            raise BrokerUnavailableError(f"cannot ask Kafka about {name}[{number}]: no answer within {TIMEOUT:.0f} s")
        low, high = bounds
        return low, high

    def _start(self, source: Source) -> int:
        """Where a partition is read from: where we stopped, as far as it still has these records."""
        low, high = self._bounds(source)
        wanted = self.offsets.get(source, low)
        if wanted > high:
            log.error("%s[%d] was read up to %d and ends at %d: it is read again from its start", *source, wanted, high)
            self.replaced.add(source)
            wanted = low
        elif wanted < low:
            log.error("%s[%d]: %d records were dropped before they were read", *source, low - wanted)
            metrics.LOST.labels(source.topic).inc(low - wanted)
            wanted = low
        self.offsets[source] = wanted
        return int(wanted)

    def _go_on(self, source: Source) -> None:
        """The next record is gone: go on with the first one that is there."""
        try:
            self._consumer.seek(TopicPartition(*self._place_of(source), self._start(source)))
        except BrokerUnavailableError as error:
            log.warning("waiting for Kafka: %s", error)
            self.trouble = str(error)
        except KafkaException as error:
            raise BrokerError(f"cannot read {source.topic}[{source.partition}]: {error}") from None

    def _source(self, message: Message) -> Source:
        return Source(self._names[str(message.topic())], int(message.partition() or 0))

    def _place_of(self, source: Source) -> tuple[str, int]:
        name = next(name for name, topic in self._names.items() if topic == source.topic)
        return name, source.partition

    def _place(self, source: Source) -> TopicPartition:
        return TopicPartition(*self._place_of(source))


def arrived_at(message: Message, now: int) -> int:
    """When a record was appended or made, as it says, ms; ``now`` if it says nothing."""
    kind, timestamp = message.timestamp()
    return now if kind == TIMESTAMP_NOT_AVAILABLE else int(timestamp)
