"""What becomes of the profiles when several write them, or one writes late, and when rows are damaged."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from features.backfill import fill
from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Session
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from streams import metrics
from streams.kafka.records import Record
from streams.processors import base, profiler
from streams.processors.base import WorkerContext
from streams.processors.profiler import ProfilerProcessor
from tests.published_model import publish_model
from tests.streams.processor_cases import ProfilerCase
from tests.streams.stream_doubles import Producer, Stream, eventually

USERS = 12
SESSIONS = 240


@pytest.fixture
def case(mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProfilerCase:
    return ProfilerCase(mos_home, tmp_path / "model", monkeypatch)


def test_a_damaged_row_costs_its_user_the_history_and_the_partition_nothing(case: ProfilerCase) -> None:
    counted = metrics.DAMAGED_PROFILES._value.get()

    async def run() -> None:
        await case.processor.process([case.record(0, "a"), case.record(1, "bad")])
        await case.processor.on_revoked()  # the profiles are read again
        case.store.damaged = {"bad"}
        await case.processor.process([case.record(2, "a"), case.record(3, "bad")])

    asyncio.run(run())
    assert {user: profile.session_count for user, profile in case.store.profiles.items()} == {"a": 2, "bad": 1}
    assert case.producer.keys(contracts.SESSION_EMBEDDINGS) == ["a", "bad", "a", "bad"]
    assert metrics.DAMAGED_PROFILES._value.get() == counted + 1
    assert case.producer.letters() == []


def test_what_somebody_else_wrote_meanwhile_is_kept_and_the_session_added(case: ProfilerCase) -> None:
    """Whether the profile was in the cache or has just been read."""
    processor, store = case.processor, case.store
    write = store.write_profiles

    def after_another(profiles: Sequence[UserProfile], *, over: Mapping[str, UserProfile]) -> set[str]:
        store.profiles["a"] = UserProfile(user_id="a", session_count=50)  # healed by a backfill
        store.write_profiles = write  # type: ignore[method-assign]
        return write(profiles, over=over)

    async def run() -> None:
        await processor.process([case.record(0, "a")])
        store.write_profiles = after_another  # type: ignore[method-assign]
        await processor.process([case.record(1, "b"), case.record(2, "a"), case.record(3, "a")])
        await processor.process([case.record(4, "a")])

    asyncio.run(run())
    assert {user: profile.session_count for user, profile in store.profiles.items()} == {"a": 53, "b": 1}
    assert sorted(case.producer.keys(contracts.SESSION_EMBEDDINGS)) == ["a", "a", "a", "a", "b"]
    assert case.producer.letters() == []


def test_sessions_that_come_again_from_the_first_on_change_no_profile(case: ProfilerCase) -> None:
    """As they do when Kafka has forgotten the offsets of the group: nothing is committed, and the store is ahead."""
    records = [case.record(number, user) for number, user in enumerate("abacab")]
    published = case.producer.published

    async def run() -> None:
        await case.processor.process(records)
        first, profiles = published.pop(contracts.SESSION_EMBEDDINGS), dict(case.store.profiles)
        again = case.build(WorkerContext(settings=case.settings, fail=case.failures.append))
        again.on_assigned({records[0].partition})
        for one in records:
            await again.process([one])
        assert published[contracts.SESSION_EMBEDDINGS] == first
        assert case.store.profiles == profiles
        assert again.store_problem is None

    asyncio.run(run())
    assert (case.failures, case.producer.letters()) == ([], [])


class SlowStore:
    """A real store whose reads and writes are slow, as on a busy machine."""

    def __init__(self, store: OnlineStore, seed: float) -> None:
        self._store = store
        self._random = random.Random(seed)
        self._lock = threading.Lock()

        self.read_progress, self.write_progress = store.read_progress, store.write_progress

    def _pause(self) -> None:
        with self._lock:
            seconds = self._random.choice([0, 0.001, 0.01, 0.03])
        time.sleep(seconds)

    def read_profiles(self, users: Sequence[str], *, on_damaged: object) -> dict[str, UserProfile]:
        found = self._store.read_profiles(users, on_damaged=on_damaged)  # type: ignore[arg-type]
        self._pause()
        return found

    def write_profiles(self, profiles: Sequence[UserProfile], *, over: Mapping[str, UserProfile]) -> set[str]:
        self._pause()
        lost = self._store.write_profiles(profiles, over=over)
        self._pause()
        return lost


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("redis", marks=pytest.mark.slow)])
def test_no_session_is_lost_or_counted_twice_by_owners_that_follow_each_other(
    kind: str,
    seed: int,
    mos_home: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """The old owner is a zombie: nobody waits for its writes. A backfill of the first half runs all the time, too."""
    settings = mos_home
    if kind == "redis":
        settings = mos_home.model_copy(update={"store": request.getfixturevalue("redis_server").url})
    router = publish_model(tmp_path / "model", settings)
    sizes = RingSizes(recent=3, theme=2)
    monkeypatch.setattr(base, "RecordProducer", lambda *_, **__: Producer())
    rng = random.Random(seed)
    opened = OnlineStore.open
    case = ProfilerCase(settings, tmp_path / "other", monkeypatch)  # makes the records; replaces the store
    monkeypatch.setattr(OnlineStore, "open", opened)
    monkeypatch.setattr(
        profiler, "OnlineStore", SimpleNamespace(open=lambda _: SlowStore(opened(settings), rng.random()))
    )
    log = [case.record(number, f"u{rng.randrange(USERS)}") for number in range(SESSIONS)]
    failures: list[Exception] = []
    context = WorkerContext(settings=settings, fail=failures.append)

    async def owner(stream: Stream, start: int, stop: int) -> int:
        """Own the partition from an offset until another has been acknowledged, then be forgotten at work."""
        processor = ProfilerProcessor(context)
        at = start
        while at < SESSIONS:
            size = rng.randrange(1, 12)
            stream.add(log[at : at + size])
            at += size
        agents.append(asyncio.create_task(processor.run(stream)))
        await eventually(lambda: stream.acked and stream.acked[-1] >= stop, f"{stop} is done; failures: {failures}")
        return stream.acked[-1] + 1

    async def heal() -> None:
        made = profiles_of(log[: SESSIONS // 2], router, sizes)
        own = OnlineStore.open(settings)
        while not done.is_set():
            await asyncio.to_thread(lambda: fill(own, iter(made), router, sizes, advance=lambda _: None))
            await asyncio.sleep(0.02)

    async def run() -> None:
        healing = asyncio.create_task(heal()) if kind == "redis" else None  # SQLite takes one writer
        at = 0
        for stop in (SESSIONS // 4, SESSIONS // 2, 3 * SESSIONS // 4, SESSIONS - 1):
            at = await owner(Stream(), at, stop)
        done.set()
        if healing is not None:
            await healing
        for agent in agents:
            agent.cancel()
        await asyncio.gather(*agents, return_exceptions=True)

    agents: list[asyncio.Task[None]] = []
    done = asyncio.Event()
    asyncio.run(run())
    assert failures == []
    expected = {profile.user_id: profile for profile in profiles_of(log, router, sizes)}
    stored = OnlineStore.open(settings).read_profiles(list(expected))
    assert {user: one.session_keys for user, one in stored.items()} == {
        user: one.session_keys for user, one in expected.items()
    }
    if kind == "sqlite":
        assert stored == expected


def profiles_of(log: Sequence[Record], router: object, sizes: RingSizes) -> list[UserProfile]:
    sessions = [contracts_session(record) for record in log]
    changed, _ = apply_sessions(sessions, {}, router, sizes)  # type: ignore[arg-type]
    return list(changed.values())


def contracts_session(record: Record) -> Session:
    import msgspec

    return msgspec.json.decode(record.value or b"", type=Session)
