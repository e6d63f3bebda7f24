"""What happens when the online store is away, hung, locked or refuses us."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import redis

from features.store import OnlineStore
from mos_online.errors import StoreError
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile

if TYPE_CHECKING:
    from tests.conftest import RedisServer

POPULARITY = PopularitySnapshot(
    partition=0,
    as_of=1,
    total=0,
    slow_total=0,
    start_total=0.0,
    slow_start_total=0.0,
    item_ids=[],
    counts=[],
    slow_counts=[],
    start_counts=[],
    slow_start_counts=[],
    first_seen=[],
    categories=[],
    users=[],
)
ANN = UserProfile(user_id="ann", router_epoch="r1", last_ended_at=5, last_closed_at=5)


@pytest.mark.slow
def test_sqlite_readers_go_on_while_another_process_writes_and_writers_say_why_not(mos_home: Settings) -> None:
    store = OnlineStore.open(mos_home)
    store.write_profiles([ANN])
    with closing(sqlite3.connect(mos_home.feast_dir / "online_store.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert store.read_profiles(["ann"]) == {"ann": ANN}
        with pytest.raises(StoreError, match=r"locked; another process is writing.*MOS_STORE=redis"):
            store.write_profiles([ANN], over={"ann": ANN})
    assert store.write_profiles([ANN], over={"ann": ANN}) == set()


def test_sqlite_tables_that_went_away_are_reported(mos_home: Settings) -> None:
    store = OnlineStore.open(mos_home)
    with closing(sqlite3.connect(mos_home.feast_dir / "online_store.db")) as other:
        other.execute("DROP TABLE mos_online_user_state")
    with pytest.raises(StoreError, match=r"no such table.*restart this process"):
        store.ping()


def test_a_file_that_is_not_sqlite_is_reported(mos_home: Settings) -> None:
    OnlineStore.open(mos_home).close()
    (mos_home.feast_dir / "online_store.db").write_bytes(b"x" * 4096)
    with pytest.raises(StoreError, match=r"not a database.*mos backfill"):
        OnlineStore.open(mos_home).ping()


@pytest.mark.slow
def test_redis_may_go_and_come_back(mos_home: Settings, redis_server: RedisServer) -> None:
    store = OnlineStore.open(mos_home.model_copy(update={"store": redis_server.url}))
    store.write_profiles([ANN])
    redis_server.stop()
    for call in (store.ping, lambda: store.write_profiles([ANN]), lambda: store.read_profiles(["ann"])):
        with pytest.raises(StoreError, match=rf"{redis_server.url}/0 failed.*start it \(`redis-server`"):
            call()
    redis_server.start()
    assert store.read_profiles(["ann"]) == {"ann": ANN}
    assert store.write_profiles([ANN], over={"ann": ANN}) == set()


@pytest.mark.slow
def test_a_restart_between_two_calls_is_not_noticed(mos_home: Settings, redis_server: RedisServer) -> None:
    store = OnlineStore.open(mos_home.model_copy(update={"store": redis_server.url}))
    store.write_profiles([ANN])
    redis_server.stop()
    redis_server.start()
    assert store.read_profiles(["ann"]) == {"ann": ANN}


@pytest.mark.slow
def test_a_hung_redis_times_out(mos_home: Settings, redis_server: RedisServer) -> None:
    store = OnlineStore.open(mos_home.model_copy(update={"store": redis_server.url}))
    store.write_profiles([ANN])
    os.kill(redis_server.pid, signal.SIGSTOP)
    with pytest.raises(StoreError, match=r"[Tt]imeout"):
        store.read_profiles(["ann"])
    os.kill(redis_server.pid, signal.SIGCONT)
    assert store.read_profiles(["ann"]) == {"ann": ANN}


@pytest.mark.slow
def test_the_password_of_redis(mos_home: Settings, redis_server: RedisServer) -> None:
    redis_server.stop()
    redis_server.password = "12,$HOME="
    redis_server.start()
    right = redis_server.url.replace("redis://", "redis://:12,$HOME=@")
    store = OnlineStore.open(mos_home.model_copy(update={"store": right}))
    assert store.write_profiles([ANN]) == set()
    wrong = redis_server.url.replace("redis://", "redis://:guess@")
    with pytest.raises(StoreError, match="correct the user or password in MOS_STORE") as caught:
        OnlineStore.open(mos_home.model_copy(update={"store": wrong})).ping()
    assert "guess" not in str(caught.value)
    with pytest.raises(StoreError, match="correct the user or password in MOS_STORE"):
        OnlineStore.open(mos_home.model_copy(update={"store": redis_server.url})).ping()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("maxmemory", "1", r"maxmemory.*give it more memory"),
        ("replicaof", "127.0.0.1 1", r"read only replica.*name the primary"),
        ("min-replicas-to-write", "1", r"NOREPLICAS.*look at the server's log"),
    ],
)
def test_a_redis_that_takes_no_writes_is_reported_and_loses_nothing(
    mos_home: Settings, redis_server: RedisServer, setting: str, value: str, remedy: str
) -> None:
    store = OnlineStore.open(mos_home.model_copy(update={"store": redis_server.url}))
    store.write_profiles([ANN])
    bob = UserProfile(user_id="bob")
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        if setting == "replicaof":
            client.replicaof(*value.split())
        else:
            client.config_set(setting, value)
        for call in (lambda: store.write_profiles([bob]), lambda: store.write_popularity([POPULARITY])):
            with pytest.raises(StoreError, match=remedy) as caught:
                call()
            assert "\x00" not in str(caught.value)
        assert store.read_profiles(["ann"]) == {"ann": ANN}
        if setting == "replicaof":
            client.replicaof("NO", "ONE")
        else:
            client.config_set(setting, "0")
    assert store.write_profiles([bob]) == set()


@pytest.mark.parametrize("how", ["read-only", "full"])
def test_a_sqlite_that_takes_no_writes_is_reported_and_works_on_afterwards(mos_home: Settings, how: str) -> None:
    store = OnlineStore.open(mos_home)
    store.write_profiles([ANN])
    connection = store._rows._online._get_conn(store._rows._config)
    connection.execute("PRAGMA query_only = ON" if how == "read-only" else "PRAGMA max_page_count = 1")
    many = [UserProfile(user_id=f"u{n}", item_ids=["x" * 9000]) for n in range(50)]
    with pytest.raises(StoreError, match=r"readonly database|full"):
        store.write_profiles(many)
    assert store.read_profiles(["ann", "u1"]) == {"ann": ANN}
    connection.execute("PRAGMA query_only = OFF" if how == "read-only" else "PRAGMA max_page_count = 1000000")
    assert store.write_profiles([UserProfile(user_id="bob")]) == set()
