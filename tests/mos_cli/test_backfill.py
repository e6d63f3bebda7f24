"""`mos backfill` from the command line, with a real router and a real store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner, Result

import mos_cli.read_log
from features.store import OnlineStore
from mos_cli.backfill.command import app
from mos_online.contracts import Click, EventTypes, Session
from mos_online.errors import DatasetError, ModelError
from mos_online.items.co_clicks import CoClicks
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.registry import open_registry
from mos_online.settings import Settings, settings
from mos_online.themes import Router, RouterConfig, fit_router, save_router
from mos_online.users.offline_profiles import past_sessions, profiles
from mos_online.users.progress import Progress
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize
from tests.model_folder import put_into_service, write_config

LOG = synthesize(SyntheticConfig(users=60, themes=3, items_per_theme=12, themes_per_user=2, days=10))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A small population in place of the usual one."""
    monkeypatch.setattr(mos_cli.read_log, "load", lambda *_, **__: LOG)
    return LOG


@pytest.fixture
def router(mos_home: Settings, tmp_path: Path) -> Router:
    """In service."""
    made = fit_router(LOG.clicks, LOG.items, RouterConfig(themes=3))
    save_router(made, tmp_path / "model")
    put_into_service(open_registry(mos_home), write_config(tmp_path / "model", "m1"))
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_the_profiles_of_the_first_half_are_readable(mos_home: Settings, log: Dataset, router: Router) -> None:
    result = run("--until", "0.5")
    assert result.exit_code == 0
    before = log.clicks.filter(pl.col("timestamp") < median_time(log))
    expected = {
        p.user_id: p for p in profiles(past_sessions(before, log.items, mos_home.sessions), router, RingSizes())
    }
    stored = OnlineStore.open(mos_home).read_profiles(log.clicks["user_id"].unique().to_list())
    assert stored.keys() == expected.keys()
    for user, profile in expected.items():
        # Embeddings are stored as float32, which is what the router computes in.
        assert stored[user] == profile
    assert f"{len(expected)} profiles of {len(before):,} clicks written to sqlite" in " ".join(result.output.split())


def test_later_clicks_are_added_and_earlier_ones_change_nothing(
    mos_home: Settings, log: Dataset, router: Router
) -> None:
    everybody = log.clicks["user_id"].unique().to_list()
    run("--until", "0.5")
    half = OnlineStore.open(mos_home).read_profiles(everybody)
    output = " ".join(run().output.split())
    whole = OnlineStore.open(mos_home).read_profiles(everybody)
    assert len(whole) == len(everybody)
    same = sum(whole[user] == profile for user, profile in half.items())
    assert same < len(half)
    assert f"{same} had all of this already" in output
    output = " ".join(run("--until", "0.5").output.split())
    assert f"0 profiles of {len(log.clicks) // 2:,} clicks" in output
    assert f"{len(half)} had all of this already" in output
    assert OnlineStore.open(mos_home).read_profiles(everybody) == whole


def test_sessions_are_cut_by_the_ids_of_the_publisher(
    mos_home: Settings, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["phone", "desk", None]
    events = LOG.events.with_columns(session_id=pl.Series([ids[n % 3] for n in range(len(LOG.events))]))
    log = replace(LOG, events=events)
    monkeypatch.setattr(mos_cli.read_log, "load", lambda *_, **__: log)
    assert run().exit_code == 0
    whole = OnlineStore.open(mos_home).read_profiles(log.clicks["user_id"].unique().to_list())
    rules = replace(mos_home.sessions, publisher_ids=True)
    expected = {p.user_id: p for p in profiles(past_sessions(log.clicks, log.items, rules), router, RingSizes())}
    assert {user: profile.session_count for user, profile in whole.items()} != {
        user: profile.session_count for user, profile in expected.items()
    }
    monkeypatch.setenv("MOS_SESSION_PUBLISHER_IDS", "true")
    settings.cache_clear()
    OnlineStore.open(mos_home).delete_profiles(list(whole))
    assert run().exit_code == 0
    assert OnlineStore.open(mos_home).read_profiles(list(expected)) == expected


def test_a_log_without_ids_is_refused_where_they_cut_the_sessions(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = replace(LOG, events=LOG.events.with_columns(session_id=pl.lit(None, pl.String)))
    monkeypatch.setattr(mos_cli.read_log, "load", lambda *_, **__: log)
    monkeypatch.setenv("MOS_SESSION_PUBLISHER_IDS", "true")
    settings.cache_clear()
    with pytest.raises(DatasetError, match="no event of synthetic has a session_id"):
        run()


def test_users_who_came_back_first_are_given_their_past(mos_home: Settings, log: Dataset, router: Router) -> None:
    """After the store was lost, the stream has gone on from nothing."""
    store = OnlineStore.open(mos_home)
    run()
    expected = store.read_profiles(log.clicks["user_id"].unique().to_list())
    last: dict[str, Session] = {}
    for session in past_sessions(log.clicks, log.items, mos_home.sessions):
        last[session.user_id] = session
    store.delete_profiles(list(expected))
    came_back, _ = apply_sessions(list(last.values()), {}, router, RingSizes())
    store.write_profiles(came_back.values())
    run()
    assert store.read_profiles(list(expected)) == expected


def test_popularity_is_written_where_there_is_none(mos_home: Settings, log: Dataset, router: Router) -> None:
    assert "stays as it is" not in run("--until", "0.5").output
    (half,) = OnlineStore.open(mos_home).read_popularity(mos_home.partitions)
    assert half.as_of == log.clicks["timestamp"].filter(log.clicks["timestamp"] < median_time(log))[-1]
    assert half.counts
    assert "item popularity was in the store already and stays as it is" in run().output
    assert OnlineStore.open(mos_home).read_popularity(mos_home.partitions) == [half]


@pytest.mark.parametrize("partition", [0, 7])
def test_co_clicks_are_written_where_there_are_none(
    mos_home: Settings, log: Dataset, router: Router, partition: int
) -> None:
    store = OnlineStore.open(mos_home)
    assert "stay as they are" not in run("--until", "0.5").output
    expected = CoClicks(half_life_ms=86_400_000, window_ms=mos_home.sessions.gap, partition=0)
    for user, item, time in log.before(median_time(log)).clicks.select("user_id", "item_id", "timestamp").iter_rows():
        expected.add(user, item, time)
    assert store.read_co_clicks(0) == expected.snapshot()
    assert len(expected) > 0
    counted = msgspec.structs.replace(expected.snapshot(), partition=partition, as_of=5)
    store.delete_partitions([0])
    store.write_co_clicks(counted)
    assert "co-clicks were in the store already and stay as they are" in run().output
    assert [store.read_co_clicks(number) for number in range(mos_home.partitions)].count(
        None
    ) == mos_home.partitions - 1
    assert store.read_co_clicks(partition) == counted


@pytest.mark.parametrize("partition", [0, 7])
def test_popularity_that_a_worker_counted_stays(
    mos_home: Settings, log: Dataset, router: Router, partition: int
) -> None:
    assert partition < mos_home.partitions
    counts = ItemPopularity(gap_ms=1000, half_life_ms=1000, partition=partition)
    counts.observe(Click(event_id="e", user_id="u", item_id="live", timestamp=5), EventTypes.parse())
    store = OnlineStore.open(mos_home)
    store.write_popularity([counts.snapshot(top=10)])
    assert run().exit_code == 0
    assert store.read_popularity(mos_home.partitions) == [counts.snapshot(top=10)]


def test_popularity_that_a_worker_begins_to_count_meanwhile_stays(
    mos_home: Settings, log: Dataset, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = ItemPopularity(gap_ms=1000, half_life_ms=1000, partition=0)
    counts.observe(Click(event_id="e", user_id="u", item_id="live", timestamp=5), EventTypes.parse())
    worker, look = OnlineStore.open(mos_home), OnlineStore.read_popularity

    def look_too_early(store: OnlineStore, partitions: int) -> list[PopularitySnapshot]:
        found = look(store, partitions)
        worker.write_popularity([counts.snapshot(top=10)])
        return found

    monkeypatch.setattr(OnlineStore, "read_popularity", look_too_early)
    assert "stays as it is" in run().output
    monkeypatch.undo()
    assert worker.read_popularity(mos_home.partitions) == [counts.snapshot(top=10)]


def test_a_row_of_popularity_that_cannot_be_read_is_replaced(mos_home: Settings, log: Dataset, router: Router) -> None:
    run("--until", "0.5")
    store = OnlineStore.open(mos_home)
    with closing(sqlite3.connect(mos_home.feast_dir / "online_store.db")) as connection:
        connection.execute("DELETE FROM mos_online_item_popularity WHERE feature_name = 'counts'")
        connection.commit()
    assert store.read_popularity(1) == []
    assert "stays as it is" not in run().output
    assert store.read_popularity(1)


def test_the_store_can_tell_that_a_backfill_was_lost(mos_home: Settings, log: Dataset, router: Router) -> None:
    run()
    rows = OnlineStore.open(mos_home).read_progress(range(mos_home.partitions + 1))
    assert rows == {number: Progress(partition=number) for number in range(mos_home.partitions)}


def median_time(log: Dataset) -> int:
    times = log.clicks["timestamp"]
    return int(times[len(times) // 2])


def test_only_some_users(mos_home: Settings, log: Dataset, router: Router, tmp_path: Path) -> None:
    users = sorted(log.clicks["user_id"].unique())[:2]
    (tmp_path / "users.txt").write_text("\n".join([*users, "", "nobody"]))
    assert run("--users", str(tmp_path / "users.txt")).exit_code == 0
    stored = OnlineStore.open(mos_home).read_profiles(log.clicks["user_id"].unique().to_list())
    assert sorted(stored) == users


def test_only_active_users(mos_home: Settings, log: Dataset, router: Router) -> None:
    assert run("--active-days", "1").exit_code == 0
    since = log.clicks["timestamp"][-1] - 86_400_000
    active = log.clicks.filter(pl.col("timestamp") >= since)["user_id"].unique().to_list()
    everybody = log.clicks["user_id"].unique().to_list()
    assert 0 < len(active) < len(everybody)
    assert sorted(OnlineStore.open(mos_home).read_profiles(everybody)) == sorted(active)


def test_without_a_model_it_says_how_to_make_one(mos_home: Settings) -> None:
    with pytest.raises(ModelError, match="mos train"):
        run()


def test_nothing_to_do_is_an_error(log: Dataset, router: Router, tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("nobody")
    with pytest.raises(DatasetError, match="no clicks"):
        run("--users", str(tmp_path / "users.txt"))


def test_a_file_of_users_that_is_not_there(log: Dataset, router: Router, tmp_path: Path) -> None:
    result = run("--users", str(tmp_path / "nowhere.txt"))
    assert result.exit_code == 2
    assert "nowhere.txt" in result.output
