"""A joiner that runs over logs in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import Outcome
from mos_online.settings import Settings
from streams.processors import base
from streams.processors.base import WorkerContext
from streams.processors.checkpoint_topic import Claim, Part
from streams.processors.joiner import processor as joiner_processor
from streams.processors.joiner.partition import INPUTS
from streams.processors.joiner.processor import JoinerProcessor
from streams.processors.lease import Lease
from tests.feedback.feedback_log import decision
from tests.streams.joiner_logs import DECISIONS, Logs, record
from tests.streams.stream_doubles import eventually

PARTITION = 0


class JoinerRun:
    """A processor whose lease lasts until ``now`` is 10, and what it does.

    Attributes:
        failures: the errors with which it stopped the worker.
    """

    def __init__(self, rules: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.logs, self.failures, self.now = Logs(), list[Exception](), 0.0
        self.producer = self.logs.producer
        monkeypatch.setattr(base, "RecordProducer", lambda *_, **__: self.producer)
        monkeypatch.setattr(joiner_processor, "LogReader", lambda _: self.logs)
        monkeypatch.setattr(joiner_processor, "ENDED", 0.0)
        monkeypatch.setattr(joiner_processor, "LEASE_WAIT", 0.001)
        self.lease = Lease(10.0, clock=lambda: self.now)
        self.lease.renew(sent_at=0.0)
        self._settings = rules

    def start(self) -> JoinerProcessor:
        """A processor; it needs a running loop."""
        context = WorkerContext(settings=self._settings, fail=self.failures.append, lease=self.lease)
        self.processor = JoinerProcessor(context)
        return self.processor

    async def assign(self) -> None:
        """Give it the partition, and wait until it is restored."""
        self.processor.assigned({name: {PARTITION} for name in INPUTS})
        await eventually(lambda: self.processor.ready, f"it is ready; failures: {self.failures}")

    async def take(self, request_id: str, minutes_ago: int) -> None:
        """Take a decision. All inputs count as idle afterwards."""
        at, some = time.time_ns() // 1_000_000 - 60_000 * minutes_ago, self.logs.records.setdefault(DECISIONS, [])
        some.append(record(DECISIONS, len(some), decision(request_id, at), at))
        await self.processor.work(some[-1:])
        self.processor._partitions[PARTITION].taken_at = dict.fromkeys(INPUTS, float("-inf"))

    async def step(self) -> None:
        """Let event time go on."""
        (timer,) = self.processor.timers()
        await self.processor.run_timer(timer)

    def parts(self) -> list[Part]:
        """What lies in the topic of checkpoints, without the claims."""
        decode: Callable[[bytes], Claim | Part] = msgspec.msgpack.Decoder(Claim | Part).decode
        found = [decode(value) for _, value, _, _ in self.producer.published[contracts.JOINER_CHECKPOINTS] if value]
        return [one for one in found if isinstance(one, Part)]

    def outcomes(self) -> list[Outcome]:
        """What has been published."""
        found = self.producer.published.get(contracts.OUTCOMES, [])
        return [msgspec.json.decode(value, type=Outcome) for _, value, _, _ in found]
