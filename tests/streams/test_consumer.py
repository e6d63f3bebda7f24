"""A processor that is alive but does nothing is noticed; one that waits for another service is left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mos_online import contracts
from streams.kafka.records import Record
from streams.processors.base import Processor, WorkerContext
from streams.runtime import consumer
from streams.runtime.broker_watch import BrokerWatch
from streams.runtime.consumer import ProcessorConsumer


class Stuck(Processor[bytes]):
    """A processor whose work never ends."""

    name = "stuck"
    topic = contracts.CLICKS
    batch_size = 10
    excuse: str | None = None

    @property
    def waiting(self) -> str | None:
        return self.excuse

    def decode(self, value: bytes | None) -> bytes:
        return value or b""

    async def work(self, records: list[Record]) -> None:
        await asyncio.Event().wait()


@pytest.mark.slow
def test_a_stuck_processor_is_noticed_unless_it_waits_for_another_service(
    mos_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streams.broker.embedded import embedded_broker

    monkeypatch.setattr(consumer, "STUCK", 1.0)

    async def watch() -> tuple[list[str | None], str | None]:
        failures: list[Exception] = []
        context = WorkerContext(settings=mos_home, fail=failures.append)
        processor = Stuck(context)
        brokers = BrokerWatch(mos_home)
        await brokers.ready()
        stuck = ProcessorConsumer(processor, context, brokers, partitions=mos_home.partitions)
        life = asyncio.create_task(stuck.run())
        seen: list[str | None] = []
        for _ in range(200):
            seen.append(stuck.trouble())
            if seen[-1] and "nothing has been committed" in seen[-1]:
                break
            await asyncio.sleep(0.1)
        processor.excuse = "the store is down"
        excused = stuck.trouble()
        await stuck.stop(finish=True)
        await life
        assert not failures
        return seen, excused

    with embedded_broker(mos_home):
        from confluent_kafka import Producer

        from mos_online.kafka_config import producer_config

        producer = Producer(producer_config(mos_home))
        producer.produce("clicks", b"x")
        assert producer.flush(10) == 0
        seen, excused = asyncio.run(watch())
    assert seen[0] == "waiting for partitions"
    assert None in seen  # well, until it has been stuck for long enough
    assert seen[-1] is not None
    assert "records wait, and nothing has been committed for" in seen[-1]
    assert excused is None
