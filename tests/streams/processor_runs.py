"""Runs a processor of ``processor_cases`` over a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from tests.streams.processor_cases import PARTITION, Case
from tests.streams.stream_doubles import Stream, eventually


def assign(case: Case) -> None:
    topics = (case.processor.topic, *case.processor.beside)
    case.processor.assigned({case.settings.topic(name): {PARTITION} for name in topics})


def drive(case: Case, stream: Stream, then: Callable[[], Awaitable[None]], *, up: bool = True) -> None:
    """Run the processor over a stream while ``then`` runs; without an error unless ``then`` expects one."""

    async def run() -> None:
        case.outage(down=not up)
        assign(case)
        agent = asyncio.create_task(case.processor.run(stream))
        try:
            await then()
        finally:
            case.outage(down=False)
            agent.cancel()
            await asyncio.gather(agent, return_exceptions=True)
            await case.processor.close()

    asyncio.run(run())


def worked_off(case: Case, stream: Stream, last: int, users: Iterable[str]) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await eventually(lambda: last in stream.acked, f"{last} is acknowledged; failures: {case.failures}")
        assert case.done() == set(users)
        assert case.failures == []

    return wait
