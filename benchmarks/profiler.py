"""The profiler's rate and the time to read profiles, on SQLite and on a Redis server, without Kafka.

Run: python benchmarks/profiler.py [--redis redis://localhost:6379/15] [--users 5000] [--sessions 6]

The Redis database is emptied first: name one that holds nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
from random_router import random_router

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Session, SessionEvent
from mos_online.settings import Settings
from mos_online.users.ring_sizes import RingSizes
from streams.kafka.records import Record
from streams.processors import base, profile_progress
from streams.processors import profiler as module
from streams.processors.base import WorkerContext
from streams.processors.profiler import ProfilerProcessor

THEMES, ITEMS, BATCH = 12, 20_000, 500
NAMES = [f"item-{number:06}" for number in range(ITEMS)]
EVENTS = 4
READS, TOGETHER = 300, 16


class NoProducer:
    """Takes everything and delivers nothing."""

    def __init__(self, _: Settings, **__: object) -> None: ...

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        *,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> None:
        """Do nothing."""

    def knows(self, _topic: str, _partition: int) -> bool:
        """Every partition is there."""
        return True

    async def flush(self) -> None:
        """Do nothing."""


def records(users: int, sessions: int) -> list[Record]:
    """Sessions of ``EVENTS`` events; each user has one in each round, in another order."""
    rng = random.Random(0)
    made: list[Record] = []
    for number in range(sessions):
        order = list(range(users))
        rng.shuffle(order)
        for user in order:
            began = 1_600_000_000_000 + number * 3_600_000
            events = [
                SessionEvent(event_id=f"e{number}-{n}", item_id=rng.choice(NAMES), timestamp=began + 1000 * n)
                for n in range(EVENTS)
            ]
            session = Session(
                session_id=f"u{user}:{began}:{events[0].event_id}",
                user_id=f"u{user}",
                started_at=began,
                ended_at=events[-1].timestamp,
                events=events,
                close_reason="gap",
                watermark=events[-1].timestamp + 1_800_001,
            )
            made.append(
                Record(
                    topic=contracts.SESSIONS,
                    partition=0,
                    offset=len(made),
                    key=session.user_id.encode(),
                    value=contracts.encode(session),
                    timestamp=began,
                )
            )
    return made


class NoLog:
    """A topic in which nobody has committed anything yet."""

    def __init__(self, _: Settings) -> None: ...

    def bounds(self, _topic: str, _partition: int) -> tuple[int, int]:
        """The offsets of a long log."""
        return 0, 10**9

    def committed(self, _name: str, _topic: str, _partition: int) -> int:
        """Nothing."""
        return 0

    def close(self) -> None:
        """Do nothing."""


class Model:
    """A router in memory in place of the registry's."""

    problem = None

    def __init__(self) -> None:
        self.loaded = (random_router(NAMES, themes=THEMES, seed=0), RingSizes())


async def rates(profiler: ProfilerProcessor, log: list[Record]) -> tuple[float, float]:
    """Sessions per second, by the clock and by the processor time of this process."""
    started, used = time.perf_counter(), time.process_time()
    for start in range(0, len(log), BATCH):
        await profiler.process(log[start : start + BATCH])
    return len(log) / (time.perf_counter() - started), len(log) / (time.process_time() - used)


def read_times(store: OnlineStore, users: int) -> str:
    """Median and 99th percentile of reading ``TOGETHER`` profiles."""
    rng, taken = random.Random(1), []
    for _ in range(READS):
        wanted = [f"u{rng.randrange(users)}" for _ in range(TOGETHER)]
        started = time.perf_counter()
        store.read_profiles(wanted)
        taken.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(taken, [50, 99])
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def measure(label: str, store: str, users: int, sessions: int) -> None:
    """Print a line."""
    with (
        tempfile.TemporaryDirectory() as home,
        patch.object(base, "RecordProducer", NoProducer),
        patch.object(profile_progress, "LogReader", NoLog),
        patch.object(module, "open_registry", lambda _: None),
        patch.object(module, "RegistryFollower", lambda *_: Model()),
    ):
        settings = Settings(home=Path(home), store=store, kafka="127.0.0.1:9")
        profiler = ProfilerProcessor(WorkerContext(settings=settings, fail=print))
        found, alone = asyncio.run(rates(profiler, records(users, sessions)))
        reads = read_times(OnlineStore.open(settings), users)
        print(f"{label}: {found:,.0f} sessions/s, {alone:,.0f} per second of processor time", end="; ")
        print(f"{TOGETHER} profiles of {sessions * EVENTS} events: {reads}")


def main() -> None:
    """Print a line for each store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", default=None, help="also measure this Redis database; it is emptied")
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=6)
    options = parser.parse_args()
    measure("SQLite", "sqlite", options.users, options.sessions)
    if options.redis:
        import redis  # noqa: PLC0415

        redis.Redis.from_url(options.redis).flushdb()
        measure("Redis", options.redis, options.users, options.sessions)


if __name__ == "__main__":
    main()
