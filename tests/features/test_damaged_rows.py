"""A row that cannot be decoded costs its own user the profile, and nobody else anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

import pytest
import redis
from feast.infra.key_encoding_utils import serialize_entity_key

from features.location import PROJECT
from features.rows import partition_key, user_key
from features.store import BATCH, OnlineStore
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile

SNAPSHOT = PopularitySnapshot(
    partition=1,
    as_of=5,
    total=1.0,
    slow_total=1.0,
    start_total=0.5,
    slow_start_total=0.5,
    item_ids=["i"],
    counts=[1.0],
    slow_counts=[1.0],
    start_counts=[0.5],
    slow_start_counts=[0.25],
    first_seen=[1],
    categories=[""],
    users=[1],
)
Damage = Callable[[Settings, bytes], None]


def key_of(entity: Any) -> bytes:
    return bytes(serialize_entity_key(entity, entity_key_serialization_version=3))


def garbage_in_redis(place: Settings, name: bytes) -> None:
    with closing(redis.Redis.from_url(place.store)) as client:
        full: Any = name + PROJECT.encode()
        for field in cast("list[bytes]", client.hkeys(full)):
            client.hset(full, cast("str", field), b"\xff\xff\xff garbage")  # type: ignore[arg-type]


def wrong_type_in_redis(place: Settings, name: bytes) -> None:
    with closing(redis.Redis.from_url(place.store)) as client:
        client.set(name + PROJECT.encode(), "not a hash")


def field_gone_in_redis(place: Settings, name: bytes) -> None:
    with closing(redis.Redis.from_url(place.store)) as client:
        full: Any = name + PROJECT.encode()
        fields = cast("list[Any]", client.hkeys(full))
        client.hdel(full, next(field for field in fields if not field.startswith(b"_ts")))


def in_sqlite(place: Settings, name: bytes, change: str, *arguments: object) -> None:
    with closing(sqlite3.connect(place.feast_dir / "online_store.db")) as connection, connection:
        for table in ("user_state", "item_popularity"):
            connection.execute(
                f'UPDATE OR IGNORE "{PROJECT}_{table}" SET {change} WHERE entity_key = ?',
                (*arguments, name),
            )


def garbage_in_sqlite(place: Settings, name: bytes) -> None:
    in_sqlite(place, name, "value = ?", b"\xff\xff\xff garbage")


def nothing_in_sqlite(place: Settings, name: bytes) -> None:
    in_sqlite(place, name, "value = NULL")


def other_format_in_sqlite(place: Settings, name: bytes) -> None:
    in_sqlite(place, name, "value = ?", b"\x10\x07")  # a number under every feature


REDIS = [garbage_in_redis, wrong_type_in_redis, field_gone_in_redis]
SQLITE = [garbage_in_sqlite, nothing_in_sqlite, other_format_in_sqlite]


@pytest.fixture(params=[*SQLITE, *(pytest.param(one, marks=pytest.mark.slow) for one in REDIS)])
def damage(request: pytest.FixtureRequest) -> Damage:
    found: Damage = request.param
    return found


@pytest.fixture
def place(damage: Damage, mos_home: Settings, request: pytest.FixtureRequest) -> Settings:
    if damage in REDIS:
        return mos_home.model_copy(update={"store": request.getfixturevalue("redis_server").url})
    return mos_home


@pytest.fixture
def store(place: Settings) -> Iterator[OnlineStore]:
    store = OnlineStore.open(place)
    yield store
    store.close()


def test_the_others_are_read_and_it_can_be_replaced(store: OnlineStore, place: Settings, damage: Damage) -> None:
    everybody = {f"u{n}": UserProfile(user_id=f"u{n}", session_count=n) for n in range(BATCH + 20)}
    store.write_profiles(everybody.values())
    bad = {"u7", "u8", f"u{BATCH + 3}"}
    for user in bad:
        damage(place, key_of(user_key(user)))
    told: dict[str, str] = {}
    assert store.read_profiles(list(everybody), on_damaged=told.__setitem__) == {
        user: profile for user, profile in everybody.items() if user not in bad
    }
    seen = told.keys() or bad  # Feast takes some garbage for a row without features, as if there were none
    assert seen == bad
    store.ping()
    new = UserProfile(user_id="u7", session_count=1)
    assert store.write_profiles([new, everybody["u9"]], over={"u9": everybody["u9"]}) == {"u7"}
    store.set_aside_profiles(["u7", "u8", "u9", "nobody"])
    assert store.write_profiles([new]) == set()
    assert store.read_profiles(["u7", "u8", "u9"]) == {"u7": new, "u9": everybody["u9"]}
    damage(place, key_of(user_key("u7")))
    store.set_aside_profiles(["u7"])  # a second time, over the first
    assert store.read_profiles(["u7"]) == {}


def test_what_was_set_aside_is_deleted_with_its_user(store: OnlineStore, place: Settings, damage: Damage) -> None:
    store.write_profiles([UserProfile(user_id="ann")])
    damage(place, key_of(user_key("ann")))
    store.set_aside_profiles(["ann"])
    store.delete_profiles(["ann"])
    if place.store == "sqlite":
        with closing(sqlite3.connect(place.feast_dir / "online_store.db")) as connection:
            assert connection.execute(f'SELECT count(*) FROM "{PROJECT}_user_state"').fetchone() == (0,)
    else:
        with closing(redis.Redis.from_url(place.store)) as client:
            assert client.dbsize() == 0


def test_popularity_starts_from_empty(
    store: OnlineStore, place: Settings, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    store.write_popularity([SNAPSHOT])
    damage(place, key_of(partition_key(1)))
    assert store.read_popularity(2) == []
    assert store.read_popularity(2) == []
    assert len([line for line in caplog.messages if "left out" in line]) == (damage is not other_format_in_sqlite)
    store.write_popularity([SNAPSHOT])
    assert store.read_popularity(2) == [SNAPSHOT]


def test_a_time_that_nobody_reads_costs_nothing(mos_home: Settings) -> None:
    store = OnlineStore.open(mos_home)
    store.write_profiles([UserProfile(user_id="ann")])
    in_sqlite(mos_home, key_of(user_key("ann")), "event_ts = ?", "in the evening")
    assert store.read_profiles(["ann"]) == {"ann": UserProfile(user_id="ann")}
    store.close()
