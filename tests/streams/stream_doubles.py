"""A Faust stream, a producer, a log and an online store for tests without processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from mos_online import contracts
from mos_online.contracts import DeadLetter
from mos_online.errors import BrokerError, ContractError, StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.users.profile import UserProfile
from mos_online.users.progress import Progress
from publishing.producer import Headers
from streams.kafka.records import Record


class Stream:
    """A Faust stream of fetches that never ends; remembers the last offsets of those that were acknowledged."""

    def __init__(self, *fetches: list[Record]) -> None:
        self.acked: list[int] = []
        self._more: asyncio.Queue[list[Record]] = asyncio.Queue()
        for fetch in fetches:
            self.add(fetch)

    def add(self, fetch: list[Record]) -> None:
        self._more.put_nowait(fetch)

    def noack(self) -> Stream:
        return self

    async def events(self) -> AsyncIterator[Any]:
        while True:
            fetch = await self._more.get()
            message = SimpleNamespace(value=fetch)
            yield SimpleNamespace(message=message, ack=lambda last=fetch[-1].offset: self.acked.append(last))


class Producer:
    """In place of ``RecordProducer``: what was published, by topic.

    Attributes:
        refuses: records with this key are too large for any topic but that of dead letters.
        limit: bytes of the largest record.
        broken: deliver nothing any more.
    """

    def __init__(self) -> None:
        self.published: dict[str, list[tuple[bytes | None, bytes, int | None, dict[str, bytes | None]]]] = {}
        self.refuses: bytes | None = None
        self.limit = 1_000_000
        self.broken = False

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        delay: object = None,
    ) -> None:
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(content or b"") for name, content in headers)
        if size > self.limit:
            raise ContractError("too_large", f"{size} bytes")
        if key is not None and key == self.refuses and topic != contracts.DEAD_LETTERS:
            raise ContractError("too_large", "of a test")
        self.published.setdefault(topic, []).append((key, value or b"", partition, dict(headers)))

    def room(self, topic: str) -> int:
        return self.limit

    def knows(self, topic: str, partition: int) -> bool:
        return True

    async def flush(self) -> None:
        if self.broken:
            raise BrokerError("nothing is delivered")

    relieve = flush

    def keys(self, topic: str) -> list[str]:
        return [(key or b"").decode() for key, _, _, _ in self.published.get(topic, [])]

    def letters(self) -> list[DeadLetter]:
        found = self.published.get(contracts.DEAD_LETTERS, [])
        return [msgspec.json.decode(value, type=DeadLetter) for _, value, _, _ in found]


class Message:
    """What is used of confluent_kafka.Message; its record has the broker's time."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return self._record.topic

    def partition(self) -> int:
        return self._record.partition

    def offset(self) -> int:
        return self._record.offset

    def key(self) -> bytes | None:
        return self._record.key

    def value(self) -> bytes | None:
        return self._record.value

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, self._record.timestamp

    def headers(self) -> None:
        return None


class Log:
    """In place of ``LogReader``: topics of which nothing is known while Kafka is down.

    Attributes:
        records: of the one partition that ``read`` reads, by offset.
        producer: what it has published is read backwards; None: nothing is.
        end: the offset that the next record of any partition will get.
        asked: how often the bounds were asked for.
        count: partitions of each topic.
    """

    def __init__(self) -> None:
        self.up = threading.Event()
        self.records: list[Any] = []
        self.producer: Producer | None = None
        self.end = 0
        self.asked = 0
        self.count = 3

    def backwards(self, topic: str, partition: int) -> Iterator[Any]:
        self.up.wait()
        found = enumerate(self.producer.published.get(topic, []) if self.producer is not None else [])
        records = [
            Record(topic=topic, partition=partition, offset=offset, key=key, value=value, timestamp=0)
            for offset, (key, value, _, _) in found
        ]
        return iter([Message(record) for record in reversed(records)])

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        self.up.wait()
        self.asked += 1
        return 0, self.end

    def partitions(self, topic: str) -> int:
        return self.count

    def committed(self, name: str, topic: str, partition: int) -> int:
        return 0

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Any]:
        return iter(self.records[start:stop])

    def close(self) -> None:
        self.up.set()


class Store:
    """In place of ``OnlineStore``: rows in memory, or an error while it is down."""

    def __init__(self) -> None:
        self.down = False
        self.profiles: dict[str, UserProfile] = {}
        self.damaged: set[str] = set()
        self.progress: dict[int, Progress] = {}
        self.popularity: dict[int, PopularitySnapshot] = {}
        self.co_clicks: dict[int, CoClickSnapshot] = {}

    def _access(self) -> None:
        if self.down:
            raise StoreError("the store is down")

    def read_profiles(
        self, users: Sequence[str], *, on_damaged: Callable[[str, str], object]
    ) -> dict[str, UserProfile]:
        self._access()
        for user in self.damaged & set(users):
            on_damaged(user, "of a test")
        return {user: self.profiles[user] for user in users if user in self.profiles.keys() - self.damaged}

    def set_aside_profiles(self, users: Sequence[str]) -> None:
        self._access()
        for user in users:
            self.damaged.remove(user)
            del self.profiles[user]

    def write_profiles(self, profiles: Sequence[UserProfile], *, over: Mapping[str, UserProfile]) -> set[str]:
        self._access()
        lost = {one.user_id for one in profiles if self.profiles.get(one.user_id) != over.get(one.user_id)}
        self.profiles |= {one.user_id: one for one in profiles if one.user_id not in lost}
        return lost

    def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        self._access()
        return {number: self.progress[number] for number in partitions if number in self.progress}

    def write_progress(self, rows: Sequence[Progress], *, over: Mapping[int, Progress]) -> set[int]:
        self._access()
        lost = {row.partition for row in rows if self.progress.get(row.partition) != over.get(row.partition)}
        self.progress |= {row.partition: row for row in rows if row.partition not in lost}
        return lost

    def read_popularity(self, partitions: int) -> list[PopularitySnapshot]:
        self._access()
        return [self.popularity[number] for number in range(partitions) if number in self.popularity]

    def write_popularity(self, snapshots: Sequence[PopularitySnapshot]) -> None:
        self._access()
        self.popularity |= {snapshot.partition: snapshot for snapshot in snapshots}

    def read_co_clicks(self, partition: int) -> CoClickSnapshot | None:
        self._access()
        return self.co_clicks.get(partition)

    def write_co_clicks(self, snapshot: CoClickSnapshot) -> None:
        self._access()
        self.co_clicks[snapshot.partition] = snapshot


async def eventually(done: Any, what: str) -> None:
    """Let the loop run until ``done()``; fails after many turns."""
    for _ in range(2000):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"waited in vain until {what}")


async def quiet() -> None:
    """Let the loop run for a while in which what must not happen could happen."""
    await asyncio.sleep(0.05)
