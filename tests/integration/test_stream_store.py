"""A store that loses what it had while sessions come: it is noticed and told, and one command heals it meanwhile."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Session, SessionEvent
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from tests.integration.stream_system import StreamSystem, stop, stream_system
from tests.published_model import publish_model

if TYPE_CHECKING:
    from tests.conftest import RedisServer

pytestmark = pytest.mark.slow

USERS = [f"u{n}" for n in range(40)]
BEGIN = 1_600_000_000_000


def session_of(user: str, number: int) -> Session:
    event = SessionEvent(event_id=f"e{number}", item_id="ab"[number % 2], timestamp=BEGIN + number)
    return Session(
        session_id=f"{user}:{event.timestamp}:{event.event_id}",
        user_id=user,
        started_at=event.timestamp,
        ended_at=event.timestamp,
        events=[event],
        close_reason="gap",
        watermark=event.timestamp + 1,
    )


class SessionTraffic:
    """Sends a session of each user again and again, from a thread of its own, until the ``with`` block ends."""

    def __init__(self, system: StreamSystem) -> None:
        self.sent: list[Session] = []
        self._system = system
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> SessionTraffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._enough.wait(0.1):
            some = [session_of(user, number) for user in USERS]
            self._system.send(contracts.SESSIONS, [(one.user_id, contracts.encode(one)) for one in some])
            self.sent += some
            number += 1

    def wait_for(self, more: int) -> None:
        """Wait until the profiler has come to what is sent now and ``more`` sessions further."""
        wanted = len(self.sent) + more * len(USERS)

        def embedded() -> bool:
            return len(self._system.records(contracts.SESSION_EMBEDDINGS)) >= wanted

        self._system.until(embedded, f"{wanted} sessions have been worked off")


def told(system: StreamSystem, words: str) -> bool:
    return any(words in detail for detail in system.healthz().details)


def heal(system: StreamSystem) -> None:
    healing = system.mos("backfill", "--from-topic")
    assert system.ended(healing) == 0, system.log("backfill")


def check(system: StreamSystem, traffic: SessionTraffic, router: object) -> None:
    """All profiles hold what they would if nothing had happened."""
    expected, _ = apply_sessions(traffic.sent, {}, router, RingSizes(recent=3, theme=2))  # type: ignore[arg-type]
    store = OnlineStore.open(system.settings)

    def content(profiles: dict[str, UserProfile]) -> dict[str, tuple[object, ...]]:
        return {u: (p.session_keys, p.item_ids, p.last_session_id, p.session_themes) for u, p in profiles.items()}

    system.until(lambda: content(store.read_profiles(USERS)) == content(expected), "all profiles are whole")
    system.until(lambda: system.healthz().details == [], "nothing is missing any more")
    store.close()


def test_an_emptied_store_is_told_and_healed_while_sessions_come(
    tmp_path: Path, free_port: Callable[[], int], redis_server: RedisServer
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_STORE=redis_server.url) as system:
        router = publish_model(tmp_path / "model", system.settings)
        worker = system.worker("profiler")
        with SessionTraffic(system) as traffic:
            traffic.wait_for(5)
            redis.Redis.from_url(redis_server.url).flushall()
            system.until(lambda: told(system, "was emptied"), "the worker says that the store was emptied")
            assert system.metric("mos_profiler_incomplete_partitions_info") > 0
            traffic.wait_for(3)  # users come back first
            heal(system)
            traffic.wait_for(3)
        check(system, traffic, router)
        assert stop(worker) == 0


def test_an_old_copy_of_the_store_is_told_and_healed_while_sessions_come(
    tmp_path: Path, free_port: Callable[[], int], redis_server: RedisServer
) -> None:
    copy = tmp_path / "copy"
    with stream_system(tmp_path / "mos", free_port(), MOS_STORE=redis_server.url) as system:
        router = publish_model(tmp_path / "model", system.settings)
        worker = system.worker("profiler")
        with SessionTraffic(system) as traffic:
            traffic.wait_for(5)
            redis_server.stop()
            shutil.copytree(redis_server.folder, copy)
            redis_server.start()
            traffic.wait_for(5)
            redis_server.stop()
            shutil.rmtree(redis_server.folder)
            shutil.copytree(copy, redis_server.folder)
            redis_server.start()
            system.until(lambda: told(system, "has lost sessions"), "the worker says that the store is old")
            heal(system)
            traffic.wait_for(3)
        check(system, traffic, router)
        assert stop(worker) == 0


def test_a_sqlite_file_that_is_deleted_under_a_worker_is_told_and_healed(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with stream_system(tmp_path / "mos", free_port()) as system:
        router = publish_model(tmp_path / "model", system.settings)
        worker = system.worker("profiler")
        with SessionTraffic(system) as traffic:
            traffic.wait_for(5)
            for path in system.settings.feast_dir.glob("online_store.db*"):
                path.unlink()
            system.until(lambda: told(system, "was emptied"), "the worker says that the store was emptied")
            heal(system)
            traffic.wait_for(3)
        check(system, traffic, router)
        assert stop(worker) == 0


def test_a_store_that_was_emptied_while_nobody_looked_is_told_after_a_start(
    tmp_path: Path, free_port: Callable[[], int], redis_server: RedisServer
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_STORE=redis_server.url) as system:
        router = publish_model(tmp_path / "model", system.settings)
        worker = system.worker("profiler")
        with SessionTraffic(system) as traffic:
            traffic.wait_for(5)
        traffic.wait_for(0)
        assert stop(worker) == 0
        redis.Redis.from_url(redis_server.url).flushall()
        system.worker("profiler")
        system.until(lambda: told(system, "was emptied"), "it is told without any traffic")
        heal(system)
        check(system, traffic, router)
