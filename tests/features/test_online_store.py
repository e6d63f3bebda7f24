"""One contract, kept by Feast on SQLite and by Feast on a real Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import feast
import msgspec
import pandas as pd  # type: ignore[import-untyped]
import pytest
import redis

from features.store import BATCH, OnlineStore
from mos_online.errors import StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.co_clicks import CoClicks
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.learning.fast_weights import FastWeights, ModelWeights
from mos_online.learning.score_map import Curve
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile

NOW = 1_700_000_000_000


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


def profile(user_id: str, *, at: int = NOW, session: str = "s", router: str = "r1", sessions: int = 7) -> UserProfile:
    """As it looks after some sessions; everything in it depends on ``sessions``."""
    return UserProfile(
        user_id=user_id,
        router_epoch=router,
        item_ids=[f"i{sessions}-{n}" for n in range(110)],
        timestamps=[at - 110 + n for n in range(110)],
        categories=[[None, "news", "jazz"][n % 3] for n in range(110)],
        session_lengths=[50, 20, 30, 10],
        session_themes=[5, 1, 0, 4],
        session_keys=[sessions, -sessions, 2**62 + sessions, 4],
        session_closes=[at - 9, at - 8, at - 7, at],
        theme_sessions={0: 1, 1: sessions, 4: 2, 5: 3},
        session_count=sessions,
        last_ended_at=at,
        last_closed_at=at,
        last_session_id=session,
        embedding=[0.5, -0.25],
        theme_weights=[0.125, 0.75, -0.5],
    )


def co_clicks(partition: int, *items: str) -> CoClickSnapshot:
    """Users who have clicked "a" and then each of the items."""
    counts = CoClicks(half_life_ms=1000, window_ms=1000, partition=partition)
    for number, item in enumerate(["a", *items, "b"]):
        counts.add("u", item, NOW + number // 100)
    return counts.snapshot()


def popularity(partition: int, *, as_of: int = NOW, items: int = 3) -> PopularitySnapshot:
    names = [f"i{n}" for n in range(items)]
    return PopularitySnapshot(
        partition=partition,
        as_of=as_of,
        total=10 / 3,
        slow_total=100 / 3,
        start_total=5 / 3,
        slow_start_total=50 / 3,
        item_ids=names,
        counts=[1 / (n + 3) for n in range(items)],
        slow_counts=[10 / (n + 3) for n in range(items)],
        start_counts=[0.5 / (n + 3) for n in range(items)],
        slow_start_counts=[5 / (n + 3) for n in range(items)],
        first_seen=[as_of - n for n in range(items)],
        categories=["" if n % 2 else "news" for n in range(items)],
        users=list(range(items)),
    )


def test_who_was_written_is_read_and_nobody_else(store: OnlineStore) -> None:
    written = [profile("ann"), profile("Ångström 🦊"), UserProfile(user_id="new")]
    assert store.write_profiles(written) == set()
    assert store.read_profiles(["ann", "nobody", "Ångström 🦊", "new", "ann"]) == {p.user_id: p for p in written}
    assert store.read_profiles([]) == {}


def test_the_plain_feast_sdk_reads_the_same(store: OnlineStore, place: Settings) -> None:
    store.write_profiles([profile("ann")])
    repository = feast.FeatureStore(repo_path=str(place.feast_dir))
    row = repository.get_online_features(
        features=repository.get_feature_service("recommendation"),
        entity_rows=[{"user_id": "ann"}, {"user_id": "nobody"}],
    ).to_dict()
    ours = store.read_profiles(["ann"])["ann"]
    assert row.pop("user_id") == ["ann", "nobody"]
    assert {name: absent for name, (_, absent) in row.items()} == dict.fromkeys(row)
    assert {name: value for name, (value, _) in row.items()} == {
        "item_ids": ours.item_ids,
        "timestamps": ours.timestamps,
        "category_codes": [n % 3 for n in range(110)],
        "category_names": ["news", "jazz"],
        "session_lengths": [50, 20, 30, 10],
        "session_themes": [5, 1, 0, 4],
        "session_keys": ours.session_keys,
        "session_closes": ours.session_closes,
        "theme_ids": [0, 1, 4, 5],
        "theme_session_counts": [1, 7, 2, 3],
        "session_count": 7,
        "last_ended_at": NOW,
        "last_closed_at": NOW,
        "last_session_id": "s",
        "embedding": [0.5, -0.25],
        "theme_weights": [0.125, 0.75, -0.5],
        "router_epoch": "r1",
    }


def test_what_the_plain_feast_sdk_pushes_is_read(store: OnlineStore, place: Settings) -> None:
    row = {
        "partition": 2,
        "as_of": NOW,
        "total": 4.0,
        "slow_total": 40.0,
        "start_total": 2.0,
        "slow_start_total": 20.0,
        "item_ids": ["a", "b"],
        "counts": [2.0, 1.0],
        "slow_counts": [20.0, 10.0],
        "start_counts": [1.0, 0.5],
        "slow_start_counts": [10.0, 5.0],
        "first_seen": [1, 2],
        "categories": ["news", ""],
        "users": [bytes([1] * 32), bytes(32)],
        "log_id": "a log",
        "counted_to": 7000,
        "read_to": 5,
        "event_timestamp": datetime.fromtimestamp(NOW / 1000, tz=UTC),
    }
    feast.FeatureStore(repo_path=str(place.feast_dir)).push("item_popularity_push", pd.DataFrame([row]))
    (read,) = store.read_popularity(3)
    assert (read.partition, read.as_of, read.item_ids, read.counts) == (2, NOW, ["a", "b"], [2.0, 1.0])
    assert (read.start_total, read.slow_start_total) == (2.0, 20.0)
    assert (read.start_counts, read.slow_start_counts) == ([1.0, 0.5], [10.0, 5.0])
    assert [bits.bit_count() for bits in read.users] == [32, 0]
    assert (read.log_id, read.counted_to, read.read_to) == ("a log", 7000, 5)


@pytest.mark.parametrize(
    "now",
    [
        None,
        profile("ann", sessions=8),
        profile("ann", at=NOW + 1),
        profile("ann", session="s2"),
    ],
    ids=["deleted", "a session merged into the past", "a later session", "same end, later id"],
)
def test_what_somebody_else_has_changed_is_not_overwritten(store: OnlineStore, now: UserProfile | None) -> None:
    before, mine = profile("ann"), profile("ann", at=NOW + 2, sessions=9)
    store.write_profiles([before])
    if now is None:
        store.delete_profiles(["ann"])
    else:
        assert store.write_profiles([now], over={"ann": before}) == set()
    assert store.write_profiles([mine, profile("bob")], over={"ann": before}) == {"ann"}
    assert store.read_profiles(["ann", "bob"]) == ({"ann": now} if now else {}) | {"bob": profile("bob")}
    assert store.write_profiles([mine], over={"ann": now} if now else {}) == set()
    assert store.read_profiles(["ann"]) == {"ann": mine}


def test_a_user_who_is_not_named_must_have_no_row(store: OnlineStore) -> None:
    assert store.write_profiles([profile("ann")]) == set()
    assert store.write_profiles([profile("ann", at=NOW + 1), profile("bob")]) == {"ann"}
    assert store.read_profiles(["ann"]) == {"ann": profile("ann")}


def test_a_profile_may_be_written_over_itself(store: OnlineStore) -> None:
    store.write_profiles([profile("ann")])
    assert store.write_profiles([profile("ann", router="r2")], over={"ann": profile("ann")}) == set()
    assert store.read_profiles(["ann"]) == {"ann": profile("ann", router="r2")}


def test_of_many_writers_that_have_read_the_same_one_wins(store: OnlineStore, place: Settings) -> None:
    """Each of them adds one session again and again; none is lost and none counts twice."""
    store.write_profiles([UserProfile(user_id="ann")])

    def add(number: int) -> None:
        mine = OnlineStore.open(place)
        for n in range(10):
            while True:
                old = mine.read_profiles(["ann"])["ann"]
                new = msgspec.structs.replace(old, session_count=old.session_count + 1, last_session_id=f"{number}-{n}")
                if not retried_while_locked(partial(mine.write_profiles, [new], over={"ann": old})):
                    break
        mine.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert store.read_profiles(["ann"])["ann"].session_count == 40


def retried_while_locked(work: Callable[[], set[str]]) -> set[str]:
    """SQLite takes one writer at a time, and lets the others wait for five seconds only."""
    while True:
        try:
            return work()
        except StoreError as error:
            if "locked" not in str(error):
                raise


def test_more_than_one_round_trip(store: OnlineStore) -> None:
    written = {f"u{n}": UserProfile(user_id=f"u{n}", session_count=n) for n in range(2 * BATCH + 1)}
    assert store.write_profiles(list(written.values())) == set()
    assert store.read_profiles(list(written)) == written


def test_popularity_is_one_row_per_partition_and_always_replaced(store: OnlineStore) -> None:
    assert store.read_popularity(4) == []
    store.write_popularity([popularity(0), popularity(2, items=2000), popularity(7)])
    assert store.read_popularity(4) == [popularity(0), popularity(2, items=2000)]
    store.write_popularity([popularity(0, as_of=NOW - 1, items=0)])
    assert store.read_popularity(1) == [popularity(0, as_of=NOW - 1, items=0)]
    store.write_popularity([])


def test_fast_weights_are_one_row_per_arm(store: OnlineStore) -> None:
    curve = Curve(intercept=-1.25, slope=1 / 3, positions=[-0.5, 1e-17])
    first = FastWeights(arm="champion", as_of=NOW, models={"m1": ModelWeights.of(curve, {0: 0.1, 12: -2.0})})
    other = FastWeights(arm="b", as_of=NOW + 1, models={})
    assert store.fast_weights.read(["champion"]) == {}
    store.fast_weights.write(first)
    store.fast_weights.write(other)
    assert store.fast_weights.read(["champion", "b", "c"]) == {"champion": first, "b": other}
    newer = FastWeights(arm="champion", as_of=NOW - 5, models={})
    store.fast_weights.write(newer)
    assert store.fast_weights.read(["champion"]) == {"champion": newer}


def test_co_clicks_are_one_row_per_partition_and_a_backfill_replaces_none(store: OnlineStore) -> None:
    assert store.read_co_clicks(2) is None
    assert store.add_co_clicks(co_clicks(2, "x"))
    assert not store.add_co_clicks(co_clicks(2, "y"))
    assert store.read_co_clicks(2) == co_clicks(2, "x")
    store.write_co_clicks(co_clicks(2, "z"))
    store.write_co_clicks(co_clicks(0, *(f"i{n}" for n in range(500))))
    assert [store.read_co_clicks(number) for number in (2, 1)] == [co_clicks(2, "z"), None]
    read = store.read_co_clicks(0)
    assert read is not None
    assert int(read.columns()[0].sum()) == len(read.columns()[1]) > 9000
    store.write_popularity([popularity(0), popularity(2)])
    store.delete_partitions([1, 2])
    assert (store.read_co_clicks(2), store.read_popularity(3)) == (None, [popularity(0)])
    assert store.read_co_clicks(0) == read


def test_readers_in_other_threads_and_connections_see_whole_rows(store: OnlineStore, place: Settings) -> None:
    store.write_profiles([profile("ann", sessions=0), profile("bob", sessions=0)])
    other = OnlineStore.open(place)
    done = threading.Event()

    def read(reader: OnlineStore) -> int:
        reads = 0
        while not done.is_set() or reads == 0:
            for user, seen in reader.read_profiles(["ann", "bob"]).items():
                assert seen == profile(user, at=NOW + seen.session_count, sessions=seen.session_count)
                reads += 1
        return reads

    def write(user: str) -> None:
        for n in range(1, 40):
            before = profile(user, at=NOW + n - 1 if n > 1 else NOW, sessions=n - 1)
            assert store.write_profiles([profile(user, at=NOW + n, sessions=n)], over={user: before}) == set()

    with ThreadPoolExecutor(5) as pool:
        readers = [pool.submit(read, reader) for reader in (store, store, other)]
        for writer in [pool.submit(write, user) for user in ("ann", "bob")]:
            writer.result()
        done.set()
        assert all(reader.result() > 0 for reader in readers)
    other.close()


def test_nothing_is_left_of_who_is_deleted(store: OnlineStore, place: Settings) -> None:
    secret = msgspec.structs.replace(profile("ann"), item_ids=["only-ann-had-this"] * 110)
    store.write_profiles([secret, profile("bob")])
    store.write_popularity([popularity(0)])
    store.delete_profiles(["ann", "nobody", "ann"])
    store.delete_profiles([])
    assert store.read_profiles(["ann", "bob"]) == {"bob": profile("bob")}
    assert store.read_popularity(1) == [popularity(0)]
    repository = feast.FeatureStore(repo_path=str(place.feast_dir))
    row = repository.get_online_features(["user_state:item_ids"], [{"user_id": "ann"}]).to_dict()
    assert row["item_ids"] == [None]
    assert (
        store.write_profiles([profile("ann", at=1, sessions=1)]) == set()
    )  # a new beginning, older than what was there
    assert store.read_profiles(["ann"])["ann"].session_count == 1


def test_what_is_deleted_is_overwritten_in_the_file(mos_home: Settings) -> None:
    store = OnlineStore.open(mos_home)

    def found() -> bool:
        return any(b"only-ann-had-this" in path.read_bytes() for path in mos_home.feast_dir.glob("online_store.db*"))

    store.write_profiles([msgspec.structs.replace(profile("ann"), item_ids=["only-ann-had-this"] * 110)])
    assert found()
    store.delete_profiles(["ann"])
    assert not found()
    store.close()


@pytest.mark.slow
def test_nothing_is_left_of_who_is_deleted_in_redis(mos_home: Settings, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("redis_server").url
    store, client = OnlineStore.open(mos_home.model_copy(update={"store": url})), redis.Redis.from_url(url)
    client.flushdb()
    store.write_profiles([profile("ann")])
    assert client.dbsize() == 1
    store.delete_profiles(["ann"])
    assert client.dbsize() == 0
    store.close()


def test_ping_and_close(store: OnlineStore) -> None:
    store.ping()
    store.close()
    calls: list[Callable[[], object]] = [
        store.ping,
        lambda: store.read_profiles(["ann"]),
        lambda: store.write_profiles([profile("ann")]),
        lambda: store.delete_profiles(["ann"]),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="was closed"):
            call()
