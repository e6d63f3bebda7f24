"""Datasets in the folder layout, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from mos_online.errors import DatasetError
from simulator.datasets import available, load, require_clock

START = 1_600_000_000  # seconds


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
    write(tmp_path, "days", [(u, 1, 86_400 * u, "review", 1.0, None) for u in range(1, 9)])
    (tmp_path / "not_a_dataset").mkdir()
    return tmp_path


def test_rows_become_strings_and_milliseconds_in_the_order_of_the_file(data_dir: Path) -> None:
    events = load("clock", data_dir).events
    assert events["timestamp"].to_list() == [s * 1000 for s in (START, START + 5, START + 5, START + 5, START + 9)]
    assert events["user_id"].to_list() == ["3", "1", "2", "2", "1"]
    assert events["session"].to_list() == ["900", None, None, None, None]
    assert events["event_id"][1] == "clock-0000000001"
    assert events.sort("timestamp", "event_id").equals(events)


def test_only_impressions_without_a_click_are_no_clicks(data_dir: Path) -> None:
    dataset = load("clock", data_dir)
    assert dataset.events["event_type"].to_list() == ["click", "click", "impression", "click", "click"]
    assert dataset.clicks["event_id"].to_list() == [f"clock-000000000{row}" for row in (0, 1, 3, 4)]


def test_a_leaf_stands_in_for_a_missing_category(data_dir: Path) -> None:
    assert load("clock", data_dir).categories == {"7": "a-leaf", "8": "b"}
    assert load("days", data_dir).items.is_empty()


def test_a_slice_in_time_keeps_the_event_ids(data_dir: Path) -> None:
    part = load("clock", data_dir, since=(START + 5) * 1000, until=(START + 9) * 1000).events
    assert part["event_id"].to_list() == [f"clock-000000000{row}" for row in (1, 2, 3)]
    assert load("synthetic", None, until=0).events.is_empty()


def test_whole_days_are_no_clock(data_dir: Path) -> None:
    require_clock(load("clock", data_dir), data_dir)
    with pytest.raises(DatasetError, match=r"whole days.*Datasets with a clock: clock, synthetic"):
        require_clock(load("days", data_dir), data_dir)


def test_unknown_names_are_answered_with_what_there_is(data_dir: Path) -> None:
    assert available(data_dir) == ["clock", "days"]
    with pytest.raises(DatasetError, match=r"unknown dataset 'globo'; in .* there are clock, days, synthetic"):
        load("globo", data_dir)


def test_a_missing_folder_says_how_to_mend_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="set MOS_DATA_DIR, or use the dataset `synthetic`"):
        load("clock", None)
    with pytest.raises(DatasetError, match="is not a folder: set MOS_DATA_DIR"):
        load("clock", tmp_path / "nowhere")


def test_damaged_files_are_a_dataset_error(data_dir: Path) -> None:
    pl.DataFrame({"user_id": [1]}).write_parquet(data_dir / "clock" / "events.parquet")
    with pytest.raises(DatasetError, match="folder layout"):
        load("clock", data_dir)
