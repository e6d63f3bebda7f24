"""Follows the output topics as any other team would, and remembers what the report needs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
from confluent_kafka import OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from mos_cli.demo.seen import Seen
from mos_online import contracts
from mos_online.contracts import DeadLetter, Recommendation, Session, SessionEmbedding
from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings

TOPICS = (
    contracts.SESSIONS,
    contracts.LATE_EVENTS,
    contracts.SESSION_EMBEDDINGS,
    contracts.RECOMMENDATIONS,
    contracts.DEAD_LETTERS,
)


class Observer:
    """Reads the output topics in a thread, from where they end when it is created.

    Raises:
        BrokerError: the topics cannot be reached or do not exist.
    """

    def __init__(self, settings: Settings, on_recommendation: Callable[[Recommendation], None]) -> None:
        self.seen = Seen()
        self._on_recommendation = on_recommendation
        self._names = {settings.topic(name): name for name in TOPICS}
        self._consumer = Consumer(
            {
                **librdkafka_config(settings),
                "group.id": f"{settings.namespace}demo-observer",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                # A position that retention has overtaken must be an error: skipped records would look like losses.
                "auto.offset.reset": "error",
            }
        )
        self._consumer.assign(self._ends())
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._embeddings = msgspec.json.Decoder(SessionEmbedding)
        self._sessions = msgspec.json.Decoder(Session)
        self._recommendations = msgspec.json.Decoder(Recommendation)
        self._dead = msgspec.json.Decoder(DeadLetter)

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
                topic = self._consumer.list_topics(name, timeout=10).topics[name]
            except KafkaException as error:
                raise BrokerError(f"cannot reach Kafka: {error.args[0].str()}; `mos doctor` says more") from None
            if topic.error is not None or not topic.partitions:
                raise BrokerError(f"topic {name} does not exist; create it with `mos topics create`")
            for partition in topic.partitions:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
                positions.append(TopicPartition(name, partition, high if high >= 0 else OFFSET_END))
        return positions

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for message in self._consumer.consume(500, 0.1):
                    self._take(message)
        except Exception as error:
            self._failure = error

    def _take(self, message: Message) -> None:
        fault = message.error()
        if fault is not None:
            raise BrokerError(f"{message.topic()}[{message.partition()}]: {fault.str()}")
        seen, value = self.seen, message.value()
        match self._names[str(message.topic())]:
            case contracts.SESSIONS:
                session = self._sessions.decode(value)
                first = seen.sessions.setdefault(session.session_id, session)
                if first is session:
                    _note_delay(seen.close_ms, message)
                elif first == session:
                    seen.repeated += 1
                else:
                    seen.changed.add(session.session_id)
            case contracts.SESSION_EMBEDDINGS:
                embedding = self._embeddings.decode(value)
                if embedding.session_id not in seen.embedded:
                    seen.embedded[embedding.session_id] = embedding.theme
                    _note_delay(seen.embedding_ms, message)
            case contracts.RECOMMENDATIONS:
                self._recommendation(self._recommendations.decode(value), message)
            case contracts.LATE_EVENTS:
                seen.late += 1
            case contracts.DEAD_LETTERS:
                seen.dead_letters[self._dead.decode(value).reason] += 1

    def _recommendation(self, recommendation: Recommendation, message: Message) -> None:
        seen = self.seen
        if recommendation.session_id in seen.recommendations:
            return
        seen.recommendations[recommendation.session_id] = recommendation
        if recommendation.fallback is not None:
            seen.fallbacks[recommendation.fallback.reason] += 1
        _note_delay(seen.freshness_ms, message)
        self._on_recommendation(recommendation)


def _note_delay(delays: list[int], message: Message) -> None:
    """Add the time from the record that let the session close to this record, both stamped by Kafka's clock."""
    for key, value in message.headers() or ():
        if key == "closable_at" and isinstance(value, bytes):
            delays.append(max(0, message.timestamp()[1] - int(value)))
