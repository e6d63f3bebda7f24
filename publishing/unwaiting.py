"""Publishes without waiting: the producer of the service, whose answers must not depend on Kafka."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from mos_online.contracts import MAX_MESSAGE_BYTES
from mos_online.errors import MosError
from mos_online.kafka_config import producer_config
from mos_online.settings import Settings

Done = Callable[[str | None], None]
"""Called once, in a thread of the producer, when a record is on its topic (None) or never will be (why)."""

ROOM_KB = 64 * 1024
"""The records that wait take at most so many KiB, however many they may be."""

KEPT_MS = 120_000
"""A record that Kafka has not taken for so long is given up."""

LOOK = 1.0
"""Seconds between two looks where Kafka is."""

POLL = 0.1
"""Seconds after which the thread looks whether it must end."""

ENDING = 2.0
"""Seconds that the records which still wait have at the end."""

log = logging.getLogger(__name__)


class UnwaitingProducer:
    """Takes records that go to Kafka soon, and refuses those for which there is no room.

    Nothing here waits for a broker. It need not be there when this is made: records are refused until it is, and the
    embedded broker is found again when it has been started anew.
    """

    def __init__(self, settings: Settings, *, room: int) -> None:
        """Connect to nothing yet.

        Args:
            settings: where Kafka is.
            room: so many records may wait for Kafka.
        """
        self._settings = settings
        self._room = room
        self._producer: Producer | None = None
        self._config: dict[str, str | int] = {}
        self._trouble: str | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka", daemon=True)

    def start(self) -> None:
        """Connect, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Give what waits ``ENDING`` seconds, and take nothing any more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2 * ENDING)

    @property
    def trouble(self) -> str | None:
        """Why no record can be taken at all; None if they can. A broker that is away later is no such trouble."""
        return self._trouble

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        """Take a record; False if there is no room, or no Kafka. Returns within microseconds. Thread-safe.

        Args:
            topic: its name on the cluster.
            key: what the partition is chosen by.
            value: the record.
            done: called later, if the answer is True.
        """
        producer = self._producer
        if producer is None:
            return False

        def delivered(error: KafkaError | None, _: Message) -> None:
            done(None if error is None else str(error.str()))

        try:
            producer.produce(topic, value, key, on_delivery=delivered)
        except BufferError:
            return False
        except KafkaException as error:
            fault = error.args[0]
            if fault.fatal():  # this producer takes nothing any more
                self._config = {}
            self._note(str(fault.str()))
            return False
        return True

    def _run(self) -> None:
        looked = -LOOK
        while not self._stopped.is_set():
            now = time.monotonic()
            if now - looked >= LOOK:
                looked = now
                self._connect()
            if self._producer is None:
                self._stopped.wait(POLL)
            else:
                self._producer.poll(POLL)
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(ENDING)

    def _connect(self) -> None:
        """Find Kafka, if that has not been done, or if it is elsewhere now."""
        try:
            config = producer_config(self._settings)
            if config == self._config:
                return
            producer = Producer(
                {
                    **config,
                    "message.max.bytes": MAX_MESSAGE_BYTES,
                    "queue.buffering.max.messages": self._room,
                    "queue.buffering.max.kbytes": ROOM_KB,
                    "message.timeout.ms": KEPT_MS,
                    "log_level": 2,
                }
            )
        except (MosError, KafkaException) as error:
            self._note(str(error))
            return
        before, self._producer = self._producer, producer
        self._config, self._trouble = config, None
        if before is not None:  # what it holds was for a broker that is gone
            before.purge()
            before.poll(0)

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("nothing is published: %s", trouble)
        self._trouble = trouble
