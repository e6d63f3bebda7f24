"""A sessionizer that cannot be sure of its partitions publishes nothing and stores nothing, until it can again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.protocol.group import HeartbeatRequest

from mos_online import contracts
from mos_online.settings import Settings
from streams.processors.base import Processor, WorkerContext
from streams.processors.checkpoint_topic import Claim, Part
from streams.processors.lease import Lease
from streams.processors.sessionizer.processor import SessionizerProcessor
from streams.runtime.membership import watch
from tests.streams.processor_cases import SessionizerCase
from tests.streams.processor_runs import assign
from tests.streams.stream_doubles import Stream, eventually, quiet


class Leased(SessionizerCase):
    """Its lease lasts until ``now`` is 10."""

    now = 0.0

    def build(self, context: WorkerContext) -> Processor[Any]:
        lease = Lease(10.0, clock=lambda: self.now)
        lease.renew(sent_at=0.0)
        self.lease = lease
        return SessionizerProcessor(leased(context, lease))

    def stored(self) -> int:
        decoder = msgspec.msgpack.Decoder(Claim | Part)
        values = [value for _, value, _, _ in self.producer.published.get(contracts.SESSIONIZER_CHECKPOINTS, [])]
        return sum(isinstance(decoder.decode(value), Part) for value in values if value)


def leased(context: WorkerContext, lease: Lease) -> WorkerContext:
    return WorkerContext(settings=context.settings, fail=context.fail, lease=lease)


def test_nothing_is_taken_or_stored_while_the_partitions_may_be_of_another_worker(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Leased(mos_home, tmp_path / "model", monkeypatch)
    case.log.up.set()
    _, storing = case.processor.timers()

    async def run() -> None:
        assign(case)
        stream = Stream([case.record(0, "a")])
        agent = asyncio.create_task(case.processor.run(stream))
        await eventually(lambda: 0 in stream.acked, "the first record is worked off")
        before = case.stored()
        assert before >= 1
        case.now = 11.0
        stream.add([case.record(1, "b")])
        await case.processor.run_timer(storing)
        await quiet()
        assert stream.acked == [0]
        assert case.stored() == before
        assert "b" not in case.done()
        case.lease.renew(sent_at=10.5)
        await eventually(lambda: 1 in stream.acked, "the second record is worked off")
        await case.processor.run_timer(storing)
        assert case.stored() > before
        case.now = 30.0
        stream.add([case.record(2, "c")])
        await quiet()
        stored = case.stored()
        await case.processor.revoked()  # as it happens to one who was paused
        assert case.stored() == stored
        assert stream.acked == [0, 1]
        agent.cancel()
        await asyncio.gather(agent, return_exceptions=True)
        await case.processor.close()
        assert case.stored() == stored

    asyncio.run(run())
    assert case.failures == []


class Coordinator:
    """What is used of aiokafka's coordinator: it answers with error codes, each after a while."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.now = 0.0

    async def _send_req(self, request: object) -> object:
        self.now += 3.0
        return HeartbeatResponse(self.codes.pop(0))


class HeartbeatResponse(msgspec.Struct):
    error_code: int


@pytest.mark.parametrize(("code", "held_until"), [(0, 10.0), (27, -1.0), (25, -1.0), (22, -1.0)])
def test_only_an_answer_without_an_error_renews_from_when_its_request_was_sent(code: int, held_until: float) -> None:
    coordinator = Coordinator(code)
    lease = Lease(10.0, clock=lambda: coordinator.now)
    watch(coordinator, lease)
    asyncio.run(coordinator._send_req(HeartbeatRequest("g", 1, "m")))
    assert lease.held == (held_until > 0)
    coordinator.now = held_until
    assert not lease.held


def test_a_request_that_proves_no_membership_renews_nothing() -> None:
    coordinator = Coordinator(0)
    lease = Lease(10.0, clock=lambda: coordinator.now)
    watch(coordinator, lease)
    asyncio.run(coordinator._send_req("find the coordinator"))
    assert not lease.held
