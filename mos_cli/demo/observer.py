"""Follows the output topics as any other team would, and remembers what the report needs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from mos_cli.demo.seen import Seen
from mos_online import contracts
from mos_online.contracts import DeadLetter, Recommendation, Session, SessionEmbedding
from mos_online.errors import BrokerError, ContractError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from publishing.faults import broker_error, passes
from publishing.outage import Outage
from streams.kafka.decoding import json_decoder
from streams.kafka.headers import closable_at
from streams.kafka.records import Record, of_confluent

TOPICS = (
    contracts.SESSIONS,
    contracts.LATE_EVENTS,
    contracts.SESSION_EMBEDDINGS,
    contracts.RECOMMENDATIONS,
    contracts.DEAD_LETTERS,
)


TIMEOUT = 10.0
"""Seconds for Kafka to answer at the start."""


class Observer:
    """Reads the output topics in a thread, from where they end when it is created. It waits for a Kafka that goes away.

    Attributes:
        seen: what it has read.
        outage: whether Kafka is away.

    Raises:
        BrokerError: the topics cannot be reached or do not exist.
    """

    def __init__(self, settings: Settings, on_recommendation: Callable[[Recommendation], None]) -> None:
        self.seen = Seen()
        self._on_recommendation = on_recommendation
        self._names = {settings.topic(name): name for name in TOPICS}
        config = librdkafka_config(settings)
        self.outage = Outage(settings, config["bootstrap.servers"], lambda _: None)
        self._consumer = Consumer(
            {
                **config,
                "group.id": f"{settings.namespace}demo-observer",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                # A position that retention has overtaken must be an error: skipped records would look like losses.
                "auto.offset.reset": "error",
                "log_level": 2,  # what matters comes back as an error
                "error_cb": self.outage.note,
            }
        )
        self._consumer.assign(self._ends())
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._session, self._embedding = json_decoder(Session), json_decoder(SessionEmbedding)
        self._recommendation, self._letter = json_decoder(Recommendation), json_decoder(DeadLetter)

    def start(self) -> None:
        """Begin to read the topics, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and close the connection."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def check(self) -> None:
        """Raise BrokerError if reading has failed."""
        if self._failure is not None:
            raise BrokerError(f"the demo cannot read the output topics: {self._failure}")

    def _ends(self) -> list[TopicPartition]:
        positions = []
        for name in self._names:
            try:
                topic = self._consumer.list_topics(name, timeout=TIMEOUT).topics[name]
                if topic.error is not None or not topic.partitions:
                    raise BrokerError(f"topic {name} does not exist; create it with `mos topics create`")
                positions += [
                    TopicPartition(name, partition, self._end(name, partition)) for partition in topic.partitions
                ]
            except KafkaException as error:
                raise broker_error(error, "cannot reach Kafka") from None
        return positions

    def _end(self, topic: str, partition: int) -> int:
        bounds = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)
        if bounds is None:
            raise BrokerError(f"Kafka does not say where {topic}[{partition}] ends; `mos doctor` says more")
        end = int(bounds[1])
        return end if end >= 0 else OFFSET_END

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for message in self._consumer.consume(500, 0.1):
                    self._take(message)
                self.outage.look(self._consumer, next(iter(self._names)))
        except Exception as error:
            self._failure = error

    def _take(self, message: Message) -> None:
        fault = message.error()
        if fault is not None:
            if passes(fault) and fault.code() != KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its public name
                self.outage.note(fault)
                return
            raise BrokerError(f"{message.topic()}[{message.partition()}]: {fault.str()}")
        self.outage.over()
        record = of_confluent(message)
        try:
            self._note(record)
        except ContractError:
            self.seen.unreadable[self._names[record.topic]] += 1

    def _note(self, record: Record) -> None:
        seen, value = self.seen, record.value
        match self._names[record.topic]:
            case contracts.SESSIONS:
                session = self._session(value)
                first = seen.sessions.setdefault(session.session_id, session)
                if first is session:
                    _note_delay(seen.close_ms, record)
                elif first == session:
                    seen.repeated += 1
                else:
                    seen.changed.add(session.session_id)
            case contracts.SESSION_EMBEDDINGS:
                embedding = self._embedding(value)
                if embedding.session_id not in seen.embedded:
                    seen.embedded[embedding.session_id] = embedding.theme
                    _note_delay(seen.embedding_ms, record)
            case contracts.RECOMMENDATIONS:
                self._take_recommendation(self._recommendation(value), record)
            case contracts.LATE_EVENTS:
                seen.late += 1
            case contracts.DEAD_LETTERS:
                seen.dead_letters[self._letter(value).reason] += 1

    def _take_recommendation(self, recommendation: Recommendation, record: Record) -> None:
        seen = self.seen
        if recommendation.session_id in seen.recommendations:
            return
        seen.recommendations[recommendation.session_id] = recommendation
        if recommendation.fallback is not None:
            seen.fallbacks[recommendation.fallback.reason] += 1
        _note_delay(seen.freshness_ms, record)
        self._on_recommendation(recommendation)


def _note_delay(delays: list[int], record: Record) -> None:
    """Add the time from the record that let the session close to this record, both stamped by Kafka's clock."""
    since = closable_at(record.headers)
    if since is not None:
        delays.append(max(0, record.timestamp - since))
