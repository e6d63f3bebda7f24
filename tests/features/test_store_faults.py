"""What happens when the online store is away, hung, locked or refuses us."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from features.store import OnlineStore
from mos_online.errors import StoreError
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile

if TYPE_CHECKING:
    from tests.conftest import RedisServer

ANN = UserProfile(user_id="ann", router_version="r1", last_ended_at=5, last_closed_at=5)


def test_sqlite_readers_go_on_while_another_process_writes_and_writers_say_why_not(mos_home: Settings) -> None:
    store = OnlineStore.open(mos_home)
    store.write_profiles([ANN])
    with closing(sqlite3.connect(mos_home.feast_dir / "online_store.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert store.read_profiles(["ann"]) == {"ann": ANN}
        with pytest.raises(StoreError, match=r"locked; another process is writing.*MOS_STORE=redis"):
            store.write_profiles([ANN])
    assert store.write_profiles([ANN]) == 1


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
    assert store.write_profiles([ANN]) == 1


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
    assert store.write_profiles([ANN]) == 1
    wrong = redis_server.url.replace("redis://", "redis://:guess@")
    with pytest.raises(StoreError, match="correct the user or password in MOS_STORE") as caught:
        OnlineStore.open(mos_home.model_copy(update={"store": wrong})).ping()
    assert "guess" not in str(caught.value)
    with pytest.raises(StoreError, match="correct the user or password in MOS_STORE"):
        OnlineStore.open(mos_home.model_copy(update={"store": redis_server.url})).ping()
