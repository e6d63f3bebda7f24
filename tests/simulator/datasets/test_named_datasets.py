"""Datasets in the folder layout, by name."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig, offline_sessions
from simulator.datasets import ReadOptions, available, load
from simulator.population import SyntheticConfig, synthesize
from simulator.window import take_until, window

LOG = synthesize(SyntheticConfig(users=40, days=2, sessions_per_user=2))
START = 1_600_000_000  # seconds
DAY = 1_599_955_200  # a midnight before it


def write(folder: Path, name: str, rows: Sequence[tuple[object, ...]], items: pl.DataFrame | None = None) -> None:
    target = folder / name
    target.mkdir()
    frame = pl.DataFrame(
        rows, schema=["user_id", "item_id", "timestamp", "event_type", "value", "session_id"], orient="row"
    )
    frame.with_columns(pl.col("session_id").cast(pl.Int64)).write_parquet(target / "events.parquet")
    if items is not None:
        items.write_parquet(target / "items.parquet")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    items = pl.DataFrame(
        {"item_id": [7, 8], "title": ["Seven", None], "category": [None, "b"], "category_leaf": ["a-leaf", "b-leaf"]}
    )
    rows = [
        (3, 7, START, "click", 1.0, 900),
        (1, 8, START + 5, "click", 1.0, None),
        (2, 7, START + 5, "impression", 0.0, None),
        (2, 8, START + 5, "impression", 1.0, None),
        (1, 7, START + 9, "click", 1.0, None),
    ]
    write(tmp_path, "clock", rows, items)
    write(tmp_path, "days", [(u, 1, DAY + 86_400 * u, "review", 1.0, None) for u in range(1, 9)])
    (tmp_path / "not_a_dataset").mkdir()
    return tmp_path


def test_rows_become_strings_and_milliseconds_in_the_order_of_the_file(data_dir: Path) -> None:
    events = load("clock", data_dir).events
    assert events["timestamp"].to_list() == [s * 1000 for s in (START, START + 5, START + 5, START + 5, START + 9)]
    assert events["user_id"].to_list() == ["3", "1", "2", "2", "1"]
    assert events["session_id"].to_list() == ["900", None, None, None, None]
    assert events["event_id"][1] == "clock-0000000001"
    assert events.sort("timestamp", "event_id").equals(events)


def test_only_impressions_without_a_click_are_no_clicks(data_dir: Path) -> None:
    dataset = load("clock", data_dir)
    assert dataset.events["event_type"].to_list() == ["click", "click", "impression", "click", "click"]
    assert dataset.clicks["event_id"].to_list() == [f"clock-000000000{row}" for row in (0, 1, 3, 4)]


def test_a_leaf_stands_in_for_a_missing_category(data_dir: Path) -> None:
    assert load("clock", data_dir).categories == {"7": "a-leaf", "8": "b"}
    assert load("days", data_dir).items.is_empty()


def test_a_path_is_told_from_a_name_by_its_slash(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = load("clock", data_dir)
    monkeypatch.chdir(data_dir)
    for path in (str(data_dir / "clock"), "./clock", "clock/", "../" + data_dir.name + "/clock"):
        found = load(path, None)
        assert found.name == "clock"
        assert found.events.equals(by_name.events)
    monkeypatch.chdir(data_dir / "clock")
    assert load("./", None).name == "clock"
    with pytest.raises(DatasetError, match=r"nowhere/events.parquet does not exist"):
        load("./nowhere", data_dir)
    with pytest.raises(DatasetError, match="A path needs a slash"):
        load("nowhere", data_dir)


def test_a_path_and_a_format_are_a_file(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("9::20::5::1000000007\n")
    assert load(str(tmp_path / "ratings.dat"), None, format_name="movielens").events["item_id"].to_list() == ["20"]
    with pytest.raises(DatasetError, match="unknown format 'netflix'"):
        load("synthetic", None, format_name="netflix")


def test_settings_of_the_population_are_part_of_its_name() -> None:
    assert load("synthetic", None).events.equals(synthesize(SyntheticConfig()).events)
    small = load("synthetic:users=50, sessions_per_user=2.5,seed=7", None)
    assert small.events.equals(synthesize(SyntheticConfig(users=50, sessions_per_user=2.5, seed=7)).events)


@pytest.mark.parametrize("wrong", ["", "hops=1", "hop", "hop=", "hop=a", "users=1.5", "hop=0.5,", "hop:0.5"])
def test_what_is_no_setting_of_the_population_is_named_with_those_that_are(wrong: str) -> None:
    with pytest.raises(DatasetError, match=r"no setting of the synthetic population.*users, themes, .*hop, noise"):
        load(f"synthetic:{wrong}", None)


def test_sessions_by_the_ids_of_the_publisher_need_such_ids(data_dir: Path) -> None:
    log = load("clock", data_dir)
    by_ids = SessionConfig(publisher_ids=True)
    none = replace(log, events=log.events.with_columns(session_id=pl.lit(None, pl.String)))
    one = log.events.with_row_index("at").with_columns(session_id=pl.when(pl.col("at") == 3).then(pl.lit("s")))
    assert replace(log, events=one.drop("at")).session_rules(by_ids) == by_ids
    assert none.session_rules(SessionConfig()) == SessionConfig()
    with pytest.raises(DatasetError, match=r"no event of clock has a session_id.*MOS_SESSION_PUBLISHER_IDS=false"):
        none.session_rules(by_ids)


def test_without_a_clock_a_session_is_a_day(data_dir: Path) -> None:
    rules = SessionConfig(gap=3 * 86_400_000, max_events=7)
    assert load("clock", data_dir).session_rules(rules) == rules
    daily = load("days", data_dir)
    assert daily.session_rules(rules) == replace(rules, gap=43_200_000)
    same = daily.events.with_columns(user_id=pl.lit("one"))
    assert len(offline_sessions(same, daily.session_rules(rules))) == same["timestamp"].n_unique() == 8


@given(st.floats(0, 1, exclude_max=True))
@settings(deadline=None, max_examples=40)
def test_what_is_taken_until_a_moment_and_from_it_on_is_the_whole(share: float) -> None:
    text = repr(share)
    before, after = take_until(LOG, text).clicks, window(LOG.clicks, start=text)
    assert pl.concat([before, after]).equals(LOG.clicks)
    assert len(before) <= share * len(LOG.clicks)
    assert before.is_empty() or before["timestamp"][-1] < after["timestamp"][0]


def test_all_of_a_log_is_taken_until_1() -> None:
    assert take_until(LOG, "1") is LOG
    assert take_until(LOG, "1970-01-01").clicks.is_empty()
    with pytest.raises(DatasetError, match="below 1"):
        take_until(LOG, "1.5")


def test_unknown_names_are_answered_with_what_there_is(data_dir: Path) -> None:
    assert available(data_dir) == ["clock", "days"]
    with pytest.raises(DatasetError, match=r"unknown dataset 'globo'; in .* there are clock, days, synthetic"):
        load("globo", data_dir)


def test_a_missing_folder_says_how_to_mend_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"set MOS_DATA_DIR, give the path of .*, or use the dataset `synthetic`"):
        load("clock", None)
    with pytest.raises(DatasetError, match="no folder to find dataset 'clock' in: set MOS_DATA_DIR"):
        load("clock", tmp_path / "nowhere")


def test_damaged_files_are_a_dataset_error(data_dir: Path) -> None:
    pl.DataFrame({"user_id": [1]}).write_parquet(data_dir / "clock" / "events.parquet")
    with pytest.raises(DatasetError, match="folder layout"):
        load("clock", data_dir)


def test_items_without_an_id_are_left_out_where_so_many_rows_may_be(tmp_path: Path) -> None:
    rows = [(f"u{n}", f"i{n % 4}", 1_600_000_000 + 3700 * n, "click", 1.0, None) for n in range(20)]
    items = pl.DataFrame({"item_id": ["i0", None, "i1", "i2"], "category": list("abcd")})
    write(tmp_path, "gaps", rows, items)
    with pytest.raises(DatasetError, match=r"1 of 4 items have an id that is missing .* row 2: None; .*--max-refused"):
        load("gaps", tmp_path)
    read = load("gaps", tmp_path, options=ReadOptions(max_refused=0.25))
    assert read.items["item_id"].to_list() == ["i0", "i1", "i2"]
    assert read.report is not None
    assert "they are left out" in read.report.notes[0]


def test_what_is_said_about_files_can_go_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(ReadOptions(zone="UTC"))) == ReadOptions(zone="UTC")
