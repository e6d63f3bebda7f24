"""A consumer group that answers what aiokafka does not expect keeps nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError, InvalidRequestError, KafkaError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from confluent_kafka import Producer

from mos_online import contracts
from mos_online.kafka_config import producer_config
from mos_online.settings import Settings
from streams.broker.embedded import embedded_broker
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record
from streams.processors.base import Processor, WorkerContext
from streams.runtime import coordination
from streams.runtime.broker_watch import BrokerWatch
from streams.runtime.consumer import ProcessorConsumer
from streams.runtime.coordination import keep_in_group


class Reader(Processor[bytes]):
    """Takes records and does nothing with them."""

    name = "reader"
    topic = contracts.CLICKS
    batch_size = 10

    def decode(self, value: bytes | None) -> bytes:
        return value or b""

    async def work(self, records: list[Record]) -> None:
        await asyncio.sleep(0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SyncGroupRequest, HeartbeatRequest])
def test_it_is_joined_again_after_an_answer_that_nobody_expects(
    kind: type[object], mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, answered = GroupCoordinator._send_req, 0

    async def refused_once(self: GroupCoordinator, request: object) -> Any:
        nonlocal answered
        response = await send(self, request)
        if isinstance(request, kind):
            answered += 1
            if answered == 1:
                response.error_code = InvalidRequestError.errno
        return response

    monkeypatch.setattr(GroupCoordinator, "_send_req", refused_once)

    async def until(done: Callable[[], bool]) -> None:
        for _ in range(600):
            if await asyncio.to_thread(done):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("it is not in the group")

    async def read() -> None:
        failures: list[Exception] = []
        context = WorkerContext(settings=mos_home, fail=failures.append)
        brokers = BrokerWatch(mos_home)
        await brokers.ready()
        consumer = ProcessorConsumer(Reader(context), context, brokers, partitions=mos_home.partitions)
        life = asyncio.create_task(consumer.run())
        await until(lambda: answered >= 1)
        producer.produce("clicks", b"{}", partition=0)
        producer.flush()
        await until(lambda: answered >= 2 and reader.committed("reader", "clicks", 0) == 1)
        await consumer.stop(finish=True)
        await life
        assert not failures

    with embedded_broker(mos_home):
        producer, reader = Producer(producer_config(mos_home)), LogReader(mos_home)
        asyncio.run(read())


class Coordinator:
    """What is asked of aiokafka's."""

    def __init__(self, life: Callable[[], Any]) -> None:
        self._closing = asyncio.get_running_loop().create_future()
        self._coordination_task = asyncio.ensure_future(life())
        self.rejoins = 0

    async def _push_error_to_user(self, error: KafkaError) -> None:
        raise NotImplementedError

    def request_rejoin(self) -> None:
        self.rejoins += 1


def test_what_may_pass_is_waited_for_and_other_errors_end_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordination, "PAUSE", 0.0)
    crashes: list[BaseException] = []

    async def crash(error: BaseException) -> None:
        crashes.append(error)

    async def broken() -> None:
        raise KafkaError("a bug")

    async def run() -> None:
        alive = Coordinator(asyncio.Event().wait)
        keep_in_group(alive, crash)
        await alive._push_error_to_user(InvalidRequestError())
        assert (alive.rejoins, crashes) == (1, [])
        refused = GroupAuthorizationFailedError()
        await alive._push_error_to_user(refused)
        assert (alive.rejoins, crashes) == (1, [refused])
        alive._coordination_task.cancel()
        dead = Coordinator(broken)
        keep_in_group(dead, crash)
        while len(crashes) < 2:
            await asyncio.sleep(0)
        assert str(crashes[1]) == "KafkaError: a bug"

    asyncio.run(run())
