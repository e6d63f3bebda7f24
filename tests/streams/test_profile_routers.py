"""The profiler routes each session by the revision that was in force when it could close."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import SessionEmbedding
from mos_online.errors import RegistryError
from mos_online.registry import open_registry
from mos_online.registry.routers import RouterHistory
from mos_online.settings import Settings
from mos_online.themes import Router, load_router
from mos_online.themes.updates import update_of
from streams.processors.base import WorkerContext
from streams.processors.profiler import ProfilerProcessor
from tests.streams.processor_cases import NOW, ProfilerCase
from tests.streams.stream_doubles import eventually

FIRST = NOW - 1000 * 3_600_000
"""Time of the case's first session; that of the n-th is n ms later, and it can close one ms after that."""


@pytest.fixture
def case(mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProfilerCase:
    return ProfilerCase(mos_home, tmp_path / "model", monkeypatch)


def publish(settings: Settings, sequence: int, begins: int, theme: int) -> Router:
    """Publish a revision that routes the item ``a`` to a theme from the n-th session on."""
    registry = open_registry(settings)
    base = load_router(registry.fetch("champion"))
    revision = base.revised(
        ["a", f"new{sequence}"],
        base.prototypes[[theme - 1, 0]],
        prototypes=base.prototypes,
        tau=base.tau,
        sequence=sequence,
    )
    registry.routers(base.epoch).add(
        update_of(base, revision, arm="champion", effective_from=FIRST + begins + 1, through=(FIRST, "s"), sessions=1)
    )
    return revision


def another(case: ProfilerCase) -> ProfilerProcessor:
    """A profiler that starts now."""
    return ProfilerProcessor(WorkerContext(settings=case.settings, fail=case.failures.append))


def routed(case: ProfilerCase) -> list[tuple[int, str]]:
    records = case.producer.published[contracts.SESSION_EMBEDDINGS]
    embeddings = [msgspec.json.decode(value, type=SessionEmbedding) for _, value, _, _ in records]
    return [(one.theme, one.router_version) for one in embeddings]


def test_each_session_of_a_batch_is_routed_by_its_time_and_a_replay_gives_the_same(case: ProfilerCase) -> None:
    log = [case.record(number, f"u{number}") for number in range(6)]

    async def run() -> None:
        await case.processor.process(log[:2])
        publish(case.settings, 1, begins=3, theme=2)
        publish(case.settings, 2, begins=5, theme=1)
        await look(case.processor)
        await case.processor.process(log[2:])

    asyncio.run(run())
    first = routed(case)
    assert [theme for theme, _ in first] == [1, 1, 1, 2, 2, 1]
    assert len({version for _, version in first}) == 3
    profiles = dict(case.store.profiles)

    case.store.profiles.clear()
    case.producer.published.clear()
    asyncio.run(another(case).process(log))
    assert routed(case) == first
    assert case.store.profiles == profiles


async def look(processor: object) -> None:
    assert isinstance(processor, ProfilerProcessor)
    (follow,) = (timer for timer in processor.timers() if timer.name == "follow")
    await follow.action()


def test_an_epoch_that_goes_on_keeps_the_themes_of_a_profile(case: ProfilerCase) -> None:
    async def run() -> None:
        await case.processor.process([case.record(0, "u")])
        publish(case.settings, 1, begins=1, theme=2)
        await look(case.processor)
        await case.processor.process([case.record(1, "u")])

    asyncio.run(run())
    assert case.store.profiles["u"].session_themes == [1, 2]
    assert case.store.profiles["u"].theme_sessions == {1: 1, 2: 1}


def test_a_damaged_revision_is_left_out_and_told(case: ProfilerCase) -> None:
    publish(case.settings, 1, begins=0, theme=2)
    publish(case.settings, 2, begins=1, theme=1)
    registry = open_registry(case.settings)
    history = registry.routers(load_router(registry.fetch("champion")).epoch)
    (Path(case.settings.models_location) / history.place(2)).write_bytes(b"{}")
    case.processor = another(case)
    asyncio.run(case.processor.process([case.record(number, "u") for number in range(2)]))
    assert [theme for theme, _ in routed(case)] == [2, 2]
    assert "is damaged" in (case.processor.model_problem or "")
    assert case.producer.letters() == []


def test_sessions_wait_for_a_registry_that_is_away_rather_than_be_routed_otherwise(
    case: ProfilerCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sequence in range(1, 12):
        publish(case.settings, sequence, begins=sequence, theme=1 + sequence % 2)
    case.processor = another(case)
    read, away = RouterHistory.read, True

    def fails(self: RouterHistory, sequence: int) -> object:
        if away:
            raise RegistryError("the disk is away")
        return read(self, sequence)

    monkeypatch.setattr(RouterHistory, "read", fails)

    async def run() -> None:
        nonlocal away
        work = asyncio.create_task(case.processor.process([case.record(1, "u"), case.record(2, "u")]))
        await eventually(lambda: case.processor.waiting == "the disk is away", "it says what it waits for")
        assert not case.producer.published.get(contracts.SESSION_EMBEDDINGS)
        away = False
        await work

    asyncio.run(run())
    assert [theme for theme, _ in routed(case)] == [2, 1]
