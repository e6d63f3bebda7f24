"""Whatever the first fetches of a partition are, all of it is committed, and no lag is left: on both brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from mos_online import contracts
from mos_online.errors import BrokerUnavailableError
from mos_online.kafka_config import producer_config
from mos_online.settings import Settings
from streams import metrics
from streams.broker.embedded import embedded_broker
from streams.kafka.admin import create_topics
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record
from streams.processors.base import Processor, WorkerContext
from streams.runtime.broker_watch import BrokerWatch
from streams.runtime.consumer import ProcessorConsumer

pytestmark = pytest.mark.slow

PATTERNS = [(1, 3, 1), (1, 1, 1, 1), (2, 1, 3), (5, 1), (0, 1, 4), (0, 3, 2), (1, 0, 2, 3), (4, 4)]
"""For each partition: how many records come together, before the worker looks again."""

ROUNDS = max(map(len, PATTERNS))


class Reader(Processor[bytes]):
    """Takes records and does nothing with them."""

    name = "popularity"
    topic = contracts.CLICKS
    batch_size = 3

    def decode(self, value: bytes | None) -> bytes:
        return value or b""

    async def work(self, records: list[Record]) -> None:
        await asyncio.sleep(0)


@pytest.fixture(params=["embedded", "apache"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "embedded":
        settings = Settings.load(home=tmp_path / "mos", partitions=len(PATTERNS))
        with embedded_broker(settings):
            yield settings
    else:
        bootstrap = request.getfixturevalue("kafka").bootstrap
        settings = Settings.load(
            home=tmp_path / "mos", kafka=bootstrap, namespace=f"{uuid4().hex}-", partitions=len(PATTERNS)
        )
        create_topics(settings, replication=None)
        yield settings


@pytest.mark.parametrize("restarts", [False, True])
def test_every_pattern_of_first_fetches_is_committed(cluster: Settings, restarts: bool) -> None:
    producer, reader = Producer(producer_config(cluster)), LogReader(cluster)
    topic = cluster.topic(contracts.CLICKS)

    def committed() -> list[int] | None:
        with suppress(BrokerUnavailableError):  # a busy broker may still be looking for the group's coordinator
            return [reader.committed(Reader.name, topic, number) for number in range(len(PATTERNS))]
        return None

    def ends() -> list[int] | None:
        with suppress(BrokerUnavailableError):  # a topic that is quite new has no leader yet
            return [reader.bounds(topic, number)[1] for number in range(len(PATTERNS))]
        return None

    async def read_all() -> None:
        consumer: ProcessorConsumer | None = None
        failures: list[Exception] = []
        context = WorkerContext(settings=cluster, fail=failures.append)
        life: asyncio.Task[Any] | None = None
        brokers = BrokerWatch(cluster)
        await brokers.ready()
        for done in range(ROUNDS):
            for number, pattern in enumerate(PATTERNS):
                for _ in range(pattern[done] if done < len(pattern) else 0):
                    producer.produce(topic, b"{}", partition=number)
            assert producer.flush(60) == 0
            if consumer is None:
                consumer = ProcessorConsumer(Reader(context), context, brokers, partitions=len(PATTERNS))
                life = asyncio.create_task(consumer.run())
            await until(lambda: ends() is not None, ends)
            expected = ends()
            await until(lambda expected=expected: committed() == expected, committed)
            if restarts:
                await consumer.stop(finish=True)
                assert life is not None
                await life
                consumer = None
        if consumer is not None:
            await until(lambda: lag() == 0, lag)
            await consumer.stop(finish=True)
        assert not failures

    asyncio.run(read_all())
    reader.close()


def lag() -> float:
    return float(metrics.LAG.labels(Reader.name)._value.get())


async def until(done: Any, what: Any) -> None:
    """Long, because a consumer joins its group first; for ever is what it must not be."""
    for _ in range(600):
        if await asyncio.to_thread(done):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"it stays at {what()}")
