"""Clicks with every fault that producers have, sent while a test does its worst, and what must come of them."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from types import TracebackType

import msgspec
import polars as pl
from confluent_kafka import Producer

from mos_online import contracts
from mos_online.contracts import Click, ClickEnvelope, DeadLetter, Heartbeat, LateEvent, Session, SessionEvent
from mos_online.errors import ContractError
from mos_online.kafka_config import producer_config
from mos_online.sessions import offline_sessions
from tests.integration.stream_system import FLUSH, StreamSystem

BEGIN = 1_600_000_000_000
COLUMNS = ("user_id", "event_id", "item_id", "timestamp", "event_type", "session_id")
PERIOD = 0.05


class Traffic:
    """Sends clicks from a thread of its own until the ``with`` block ends.

    Of each hundred messages one is no click, one repeats another, one is a little out of order, one is far too late
    and one comes from a producer whose clock is a year ahead.

    Args:
        system: where to.
        rate: clicks per second.
        users: how many.
        seed: of everything that is random.
        live: whether clicks happen at the moment at which they are sent, and not in 2020.
    """

    def __init__(
        self, system: StreamSystem, *, rate: int = 600, users: int = 60, seed: int = 0, live: bool = False
    ) -> None:
        self._system = system
        self._live = live
        self._rate = rate
        self._users = users
        self._random = random.Random(seed)
        self._now = BEGIN
        self._sent = 0
        self._last: tuple[str, bytes] | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._producer = Producer({**producer_config(system.settings), "message.timeout.ms": 1000 * FLUSH})

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()

    def finish(self) -> None:
        """Promise on every partition that nothing follows, so that all sessions close."""
        assert self._enough.is_set()
        if self._live:  # a promise ahead of its arrival counts as of its arrival
            rules = self._system.settings.sessions
            time.sleep((rules.gap + 2 * rules.lateness) / 1000)
            self._system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=clock())))
            return
        self._system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=self._now + 10**9)))

    def _run(self) -> None:
        topic = self._system.settings.topic(contracts.CLICKS)
        while not self._enough.wait(PERIOD):
            for _ in range(int(self._rate * PERIOD)):
                user, value = self._message()
                self._producer.produce(topic, value, user.encode())
            self._producer.poll(0)
        assert self._producer.flush(FLUSH) == 0

    def _message(self) -> tuple[str, bytes]:
        draw, fault = self._random, self._random.randrange(100)
        user = f"u{draw.randrange(self._users)}"
        self._now = clock() if self._live else self._now + draw.choice((5, 50, 400))
        timestamp = self._now
        if fault == 0:
            return user, draw.choice((b"{", b'{"user_id":"u"}', b"", b'{"event_id":1}', b"\xff\xfe", b"[" * 50_000))
        if fault == 1 and self._last is not None:
            return self._last
        if fault == 2:
            timestamp -= draw.randrange(self._system.settings.sessions.lateness)
        elif fault == 3:
            timestamp -= 3_600_000
        elif fault == 4:
            timestamp = clock() + 365 * 86_400_000
        kind = contracts.SESSION_END if draw.randrange(50) == 0 else "click"
        self._last = user, self._encode(user, timestamp, kind)
        return self._last

    def _encode(self, user: str, timestamp: int, kind: str) -> bytes:
        events = [
            SessionEvent(event_id=f"e{self._sent + n}", item_id="a", timestamp=timestamp + n, event_type=kind)
            for n in range(3 if self._sent % 10 == 0 else 1)
        ]
        self._sent += len(events)
        if len(events) > 1:
            return contracts.encode(ClickEnvelope(user_id=user, clicks=events))
        only = events[0]
        return contracts.encode(
            Click(
                event_id=only.event_id, user_id=user, item_id="a", timestamp=only.timestamp, event_type=only.event_type
            )
        )


class Expected:
    """What must come of the records that are on the ``clicks`` topic now, found without the sessionizer.

    Attributes:
        sessions: session_id -> (event ids, close reason, watermark).
        late: (partition, offset, event_id).
        rejected: (partition, offset) of records that become dead letters -> how many.
    """

    def __init__(self, system: StreamSystem) -> None:
        self.late: set[tuple[int, int, str]] = set()
        self.rejected: Counter[tuple[int, int]] = Counter()
        now = clock()
        rules, newest, watermark = system.settings.sessions, Counter[int](), Counter[int]()
        accepted: list[Click] = []
        for record in system.records(contracts.CLICKS):
            place, partition = (record.partition, record.offset), record.partition
            try:
                message = contracts.decode_clicks(record.value)
            except ContractError:
                self.rejected[place] += 1
                continue
            if isinstance(message, Heartbeat):
                watermark[partition] = max(watermark[partition], message.heartbeat)
                continue
            for click in message:
                if click.timestamp < watermark[partition]:
                    self.late.add((*place, click.event_id))
                elif click.timestamp > record.arrived_at(now) + rules.max_future:
                    self.rejected[place] += 1
                else:
                    accepted.append(click)
                    newest[partition] = max(newest[partition], click.timestamp)
                    watermark[partition] = max(watermark[partition], newest[partition] - rules.lateness)
        frame = pl.DataFrame(
            {name: [getattr(click, name) for click in accepted] for name in COLUMNS},
            schema_overrides={"session_id": pl.String},
        )
        self.sessions = {
            row["session_id"]: (row["event_ids"], row["close_reason"], row["closes_at"])
            for row in offline_sessions(frame, rules).iter_rows(named=True)
        }
        self.users = Counter(name.split(":")[0] for name in self.sessions)

    def check(self, system: StreamSystem) -> int:
        """Assert that what was published is exactly this, repeats being identical; returns how many repeats.

        Waits until the last session is there.
        """
        try:
            system.until(lambda: len(_values(system)) >= len(self.sessions), "all sessions are published")
        except AssertionError as error:
            missing = sorted(self.sessions.keys() - _values(system).keys())
            raise AssertionError(f"{len(missing)} sessions are missing, such as {missing[:5]}: {error}") from None
        values = _values(system)
        sessions = [msgspec.json.decode(value, type=Session) for value in values.values()]
        found = {s.session_id: ([e.event_id for e in s.events], s.close_reason, s.watermark) for s in sessions}
        assert self.sessions.keys() - found.keys() == set()
        assert found == self.sessions
        system.until(lambda: _late(system) >= self.late, "all late events are published")
        assert _late(system) == self.late
        system.until(lambda: _letters(system).keys() >= self.rejected.keys(), "all dead letters are published")
        assert _letters(system).keys() == self.rejected.keys()
        return len(system.records(contracts.SESSIONS)) - len(values)


def clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _values(system: StreamSystem) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for record in system.records(contracts.SESSIONS):
        assert record.value
        name = msgspec.json.decode(record.value, type=Session).session_id
        assert values.setdefault(name, record.value) == record.value, "a repeat differs"
    return values


def _late(system: StreamSystem) -> set[tuple[int, int, str]]:
    events = [msgspec.json.decode(r.value or b"", type=LateEvent) for r in system.records(contracts.LATE_EVENTS)]
    assert all(event.late_by == event.watermark - event.click.timestamp > 0 for event in events)
    return {(event.partition, event.offset, event.click.event_id) for event in events}


def _letters(system: StreamSystem) -> Counter[tuple[int, int]]:
    letters = [msgspec.json.decode(r.value or b"", type=DeadLetter) for r in system.records(contracts.DEAD_LETTERS)]
    clicks = system.settings.topic(contracts.CLICKS)
    raw = {(r.partition, r.offset): r.value for r in system.records(contracts.CLICKS)}
    found = Counter((letter.partition, letter.offset) for letter in letters if letter.topic == clicks)
    for letter in letters:
        if letter.topic == clicks:
            assert letter.raw == raw[letter.partition, letter.offset], "a dead letter does not hold the record's bytes"
    return found
