"""Clicks of this very moment, as a site sends them, and what must come of them whatever happens to the broker."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from types import TracebackType

import msgspec
from confluent_kafka import Producer

from mos_online import contracts
from mos_online.contracts import Click, LateEvent, Session
from mos_online.kafka_config import producer_config
from tests.integration.stream_system import FLUSH, StreamSystem

METADATA_MS = 2000
"""So soon the producer sees partitions that ``clicks`` has been given."""


class LiveTraffic:
    """Sends clicks with the time of now from a thread of its own, until the ``with`` block ends.

    Attributes:
        sent: the ids of the events that were sent.
        failed: those that Kafka did not take.
    """

    def __init__(self, system: StreamSystem, *, rate: int = 40, users: int = 12) -> None:
        self.sent: set[str] = set()
        self.failed: list[str] = []
        self._system = system
        self._pause = 1 / rate
        self._users = users
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._producer = Producer(
            {
                **producer_config(system.settings),
                "message.timeout.ms": 1000 * FLUSH,
                "topic.metadata.refresh.interval.ms": METADATA_MS,
            }
        )

    def __enter__(self) -> LiveTraffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        draw, topic = random.Random(1), self._system.settings.topic(contracts.CLICKS)
        while not self._enough.wait(self._pause):
            user, event = f"u{draw.randrange(self._users)}", f"e{len(self.sent)}"
            moment, visit = time.time_ns() // 1_000_000, draw.choice((None, "a", "b"))
            click = Click(event_id=event, user_id=user, item_id="i", timestamp=moment, session_id=visit)
            self._producer.produce(topic, contracts.encode(click), user.encode(), on_delivery=self._delivered)
            self._producer.poll(0)
            self.sent.add(event)
        assert self._producer.flush(FLUSH) == 0

    def _delivered(self, error: object, message: object) -> None:
        if error is not None:
            self.failed.append(str(error))

    def check(self) -> None:
        """Assert that every click is in exactly one session, or was late; repeats are identical. Waits for the last."""
        assert not self.failed
        system = self._system
        system.until(lambda: closed(system).keys() | late(system) >= self.sent, "every click is somewhere")
        found = closed(system)
        assert found.keys() | late(system) == self.sent
        assert not found.keys() & late(system)
        assert set(found.values()) == {1}, "a click is in two sessions"
        assert not system.records(contracts.DEAD_LETTERS)


def closed(system: StreamSystem) -> Counter[str]:
    """Event -> in how many sessions it is; asserts that a session that was published twice is the same."""
    values: dict[str, bytes] = {}
    for record in system.records(contracts.SESSIONS):
        assert record.value
        session = msgspec.json.decode(record.value, type=Session)
        assert values.setdefault(session.session_id, record.value) == record.value
    sessions = [msgspec.json.decode(value, type=Session) for value in values.values()]
    return Counter(event.event_id for session in sessions for event in session.events)


def late(system: StreamSystem) -> set[str]:
    events = [msgspec.json.decode(r.value or b"", type=LateEvent) for r in system.records(contracts.LATE_EVENTS)]
    return {event.click.event_id for event in events}
