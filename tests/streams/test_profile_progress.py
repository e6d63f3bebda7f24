"""A store that lost something is noticed, told and not forgotten, whenever it happens and on either store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec
import pytest
import redis

from features.store import OnlineStore
from mos_online.settings import Settings
from mos_online.users.progress import Progress
from streams import metrics
from streams.processors.profile_progress import ProfileProgress
from streams.processors.retry import RetryPolicy
from tests.serving.serving_doubles import SNAPSHOT
from tests.streams.stream_doubles import Log


class Kafka(Log):
    """Knows what the profiler has committed, and where a partition ends."""

    def __init__(self) -> None:
        super().__init__()
        self.up.set()
        self.offset = 0
        self.end = 10_000

    def committed(self, name: str, topic: str, partition: int) -> int:
        return self.offset

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, self.end


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    log = Kafka()
    monkeypatch.setattr("streams.processors.profile_progress.LogReader", lambda _: log)
    return log


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, mos_home: Settings) -> Settings:
    if request.param == "redis":
        return mos_home.model_copy(update={"store": request.getfixturevalue("redis_server").url})
    return mos_home


@pytest.fixture
def store(place: Settings) -> Iterator[OnlineStore]:
    store = OnlineStore.open(place)
    yield store
    store.close()


@pytest.fixture
def empty(place: Settings) -> Callable[[], None]:
    """Empties the store under those who have it open."""

    def sqlite() -> None:
        for path in place.feast_dir.glob("online_store.db*"):
            path.unlink()

    return sqlite if place.store == "sqlite" else lambda: redis.Redis.from_url(place.store).flushall()  # type: ignore[return-value]


def progress(store: OnlineStore, place: Settings) -> ProfileProgress:
    retry = RetryPolicy(on=Exception, retries=metrics.RETRIES.labels("of-a-test", "store"))
    made = ProfileProgress(store, place, "profiler", retry=retry)
    made.assigned({1})
    return made


def run(*steps: Callable[[], object]) -> None:
    async def work() -> None:
        for step in steps:
            await step()  # type: ignore[misc]

    asyncio.run(work())


def row(store: OnlineStore) -> Progress | None:
    return store.read_progress([1]).get(1)


def test_it_goes_on_from_start_to_start_and_nothing_is_missing(
    store: OnlineStore, place: Settings, kafka: Kafka
) -> None:
    first = progress(store, place)
    run(lambda: first.take_over([1]), lambda: first.advance({1: 10}), lambda: first.advance({1: 20}), first.look)
    assert row(store) == Progress(partition=1, next_offset=20)
    kafka.offset = 10  # it was killed before it could acknowledge the rest
    second = progress(store, place)
    run(lambda: second.take_over([1]), lambda: second.advance({1: 15}), second.look)
    assert row(store) == Progress(partition=1, next_offset=20)
    assert second.problem is None


@pytest.mark.parametrize("notice", ["traffic", "a look", "a start", "a start without traffic"])
def test_an_emptied_store_is_noticed(
    store: OnlineStore, place: Settings, kafka: Kafka, empty: Callable[[], None], notice: str
) -> None:
    first = progress(store, place)
    run(lambda: first.take_over([1]), lambda: first.advance({1: 10}))
    kafka.offset = 10
    empty()
    if notice == "traffic":
        run(lambda: first.advance({1: 12}))
    elif notice == "a look":
        run(first.look)
    elif notice == "a start":
        first = progress(store, place)
        run(lambda: first.take_over([1]), lambda: first.advance({1: 12}))
    else:
        first = progress(store, place)
        run(first.look)
    stored = row(store)
    assert stored is not None
    assert (stored.next_offset, stored.missing_from) == (10 if "look" in notice or "without" in notice else 12, 0)
    assert "was emptied" in (first.problem or "")
    assert "mos backfill --from-topic" in (first.problem or "")
    assert metrics.INCOMPLETE_PARTITIONS._value.get() == 1
    run(lambda: first.advance({1: 14}), first.look)
    assert (row(store) or stored).missing_from == 0  # it is not forgotten
    healed = (row(store) or stored).whole()
    store.write_progress([healed], over={1: row(store) or stored})
    run(first.look)
    assert first.problem is None
    run(lambda: first.advance({1: 20}))
    assert row(store) == healed.advanced(20)


@pytest.mark.parametrize("notice", ["traffic", "a look"])
def test_a_store_that_is_emptied_before_there_is_a_session_is_noticed(
    store: OnlineStore, place: Settings, kafka: Kafka, empty: Callable[[], None], notice: str
) -> None:
    """It may hold profiles of a backfill."""
    first = progress(store, place)
    run(lambda: first.take_over([1]))
    assert first.problem is None
    empty()
    run(first.look if notice == "a look" else lambda: first.advance({1: 1}))
    assert "was emptied" in (first.problem or "")
    assert "mos backfill --dataset" in (first.problem or "")


@pytest.mark.parametrize("notice", ["traffic", "a look", "a start"])
def test_an_old_copy_of_the_store_is_noticed(store: OnlineStore, place: Settings, kafka: Kafka, notice: str) -> None:
    first = progress(store, place)
    run(lambda: first.take_over([1]), lambda: first.advance({1: 10}))
    old = row(store)
    run(lambda: first.advance({1: 40}))
    kafka.offset = 40
    assert old is not None
    store.write_progress([old], over={1: row(store) or old})
    if notice == "a start":
        first = progress(store, place)
        run(lambda: first.take_over([1]))
    run(first.look if notice == "a look" else lambda: first.advance({1: 45}))
    stored = row(store) or old
    assert stored.missing_from == 10
    assert stored.next_offset == (40 if notice == "a look" else 45)
    assert "has lost sessions: profiles may lack sessions of partition 1 from offset 10" in (first.problem or "")


def test_another_owner_and_a_topic_that_was_made_anew_are_no_loss(
    store: OnlineStore, place: Settings, kafka: Kafka
) -> None:
    zombie, owner = progress(store, place), progress(store, place)
    run(lambda: zombie.take_over([1]), lambda: owner.take_over([1]), lambda: owner.advance({1: 30}))
    run(lambda: zombie.advance({1: 20}), zombie.look, owner.look, lambda: owner.advance({1: 35}))
    assert row(store) == Progress(partition=1, next_offset=35)
    kafka.offset, kafka.end = 2, 3
    again = progress(store, place)
    run(lambda: again.take_over([1]), lambda: again.advance({1: 3}))
    assert row(store) == Progress(partition=1, next_offset=3)


@pytest.mark.parametrize("first", [False, True])
def test_rows_of_partitions_that_the_topic_has_not_are_deleted_by_the_owner_of_the_first(
    store: OnlineStore, place: Settings, kafka: Kafka, *, first: bool
) -> None:
    rows = [Progress(partition=p, next_offset=5).lost(2, now=1) for p in (1, 2, 3, 50, 102, 103, 180)]
    store.write_progress(rows, over={})
    store.write_popularity([msgspec.structs.replace(SNAPSHOT, partition=p) for p in (2, 3)])
    kafka.count = 3
    made = progress(store, place)
    made.assigned({0, 1} if first else {1})
    run(made.look, made.look)
    there = {1, 2, 0} if first else {row.partition for row in rows}
    assert set(store.read_progress(range(300))) == there
    assert {one.partition for one in store.read_popularity(10)} == ({2} if first else {2, 3})


def test_a_damaged_row_is_a_loss(mos_home: Settings, kafka: Kafka) -> None:
    store = OnlineStore.open(mos_home)
    first = progress(store, mos_home)
    run(lambda: first.take_over([1]), lambda: first.advance({1: 10}))
    with closing(sqlite3.connect(mos_home.feast_dir / "online_store.db")) as connection, connection:
        connection.execute("UPDATE mos_online_profile_progress SET value = x'ffff'")
    run(lambda: first.advance({1: 12}))
    stored = row(store)
    assert stored is not None
    assert (stored.next_offset, stored.missing_from) == (12, 0)
    store.close()
