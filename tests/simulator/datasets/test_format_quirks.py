"""What single public formats are known for: typed lists, plays of the future, rows without a time, cities apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mos_online.errors import DatasetError
from simulator.datasets import FORMATS, UNREADABLE, ReadOptions, load, load_file
from simulator.datasets.parquet import ParquetTable
from tests.simulator.datasets.format_cases import leisure, news_and_video

NOON = datetime(2023, 5, 18, 12, 0, 5)  # noqa: DTZ001 - the publisher's times have no zone
NOON_MS = 1_684_411_205_000


def behaviors(path: Path, **rest: object) -> Path:
    """Write EB-NeRD's impressions: two articles shown, one of them clicked; then an impression without articles."""
    columns: dict[str, Any] = {
        "impression_id": [1, 2],
        "article_id": [None, 7],
        "impression_time": [NOON, NOON],
        "article_ids_inview": [[8, 9], []],
        "article_ids_clicked": [[9], []],
        "user_id": [5, 6],
        "session_id": [55, 66],
    }
    types: dict[str, Any] = {
        "article_ids_inview": pl.List(pl.Int32),
        "article_ids_clicked": pl.List(pl.Int32),
        "user_id": pl.UInt32,
    }
    pl.DataFrame({**columns, **rest}, schema_overrides=types, strict=False).write_parquet(path)
    return path


def test_impressions_of_ebnerd(tmp_path: Path) -> None:
    read = load(str(behaviors(tmp_path / "b.parquet")), None, options=ReadOptions(max_refused=0.0))
    assert read.events.select("user_id", "item_id", "timestamp", "event_type", "session_id").rows() == [
        ("5", "8", NOON_MS, "impression", "55"),
        ("5", "9", NOON_MS, "click", "55"),
    ]
    assert read.report is not None
    assert "times name no zone and are taken as UTC; --zone names another" in read.report.assumed


def test_the_test_part_of_ebnerd_does_not_say_what_was_clicked(tmp_path: Path) -> None:
    whole = pl.read_parquet(behaviors(tmp_path / "b.parquet")).drop("article_ids_clicked").head(1)
    whole.write_parquet(tmp_path / "behaviors.parquet")
    read = load_file("ebnerd", tmp_path)
    assert read.events["event_type"].to_list() == ["impression", "impression"]


def test_history_of_ebnerd(tmp_path: Path) -> None:
    history = pl.DataFrame(
        {
            "user_id": [5, 6, 7],
            "impression_time_fixed": [[NOON, NOON], [NOON], []],
            "article_id_fixed": [[8, 9], [7, 7], []],
        },
        schema_overrides={"impression_time_fixed": pl.List(pl.Datetime("us")), "article_id_fixed": pl.List(pl.Int32)},
    )
    history.write_parquet(tmp_path / "h.parquet")
    read = load_file("ebnerd", tmp_path / "h.parquet", ReadOptions(max_refused=1.0))
    assert read.events.select("user_id", "item_id", "event_type").rows() == [("5", "8", "click"), ("5", "9", "click")]
    assert read.report is not None
    assert {why: found.count for why, found in read.report.refused.items()} == {"fields": 1}


def test_chunks_of_a_columnar_file_are_one_log(tmp_path: Path) -> None:
    path = behaviors(tmp_path / "b.parquet", article_ids_inview=[[8, 9], [8]])
    layout = FORMATS["ebnerd"].layouts[0]
    assert isinstance(layout, ParquetTable)
    whole, parts = (list(replace(layout, at_once=rows).rows(path)) for rows in (10, 1))
    assert [len(rows.frame) for rows in parts] == [2, 1]
    assert pl.concat([rows.frame for rows in parts]).equals(whole[0].frame)
    assert {rows.counted for rows in parts} == {"row"}


@pytest.mark.parametrize(
    "columns",
    [
        {"article_ids_inview": ["8 9", "8"]},
        {"impression_time": [[NOON], [NOON]]},
        {"impression_time": ["soon", "later"]},
        {"user_id": [[5], [6]]},
    ],
    ids=lambda columns: f"{next(iter(columns))}={next(iter(columns.values()))[0]}",
)
def test_other_types_are_refused(columns: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    whole = pl.read_parquet(behaviors(tmp_path / "whole.parquet"))
    whole.with_columns(**{name: pl.Series(values) for name, values in columns.items()}).write_parquet(path)
    with pytest.raises(DatasetError):
        load_file("ebnerd", path)
    with pytest.raises(DatasetError):
        load(str(path), None)


def test_a_damaged_columnar_file(tmp_path: Path) -> None:
    path = behaviors(tmp_path / "b.parquet")
    data = path.read_bytes()
    for damaged in (data[:100], data[:-40], data[:4] + bytes(400) + data[404:]):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError):
            load_file("ebnerd", path, ReadOptions(max_refused=0.0))


def test_plays_after_the_publication_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    line = "user_000004\t20{}-04-08T01:53:{:02}Z\tm\tA\tt\tB\n"
    path.write_text("".join(line.format("09", second % 60) for second in range(3000)) + line.format(13, 0) * 3)
    read = load_file("lastfm-1k", path)
    assert len(read.events) == 3000
    assert read.report is not None
    assert read.report.unexpected == 0
    path.write_text(line.format("09", 1) + line.format(13, 0))
    with pytest.raises(DatasetError, match="time_out_of_range"):
        load_file("lastfm-1k", path)


def test_rows_without_a_time_of_kuairec(tmp_path: Path) -> None:
    path = tmp_path / "small_matrix.csv"
    row = "3,70,1,1,2020-07-05 00:08:23.438,20200705.0,1593878903.438,1.0\n"
    path.write_text(news_and_video.REC_HEADER + row * 19 + "3,70,1,1,,,,1.0\n")
    read = load_file("kuairec", path)
    assert len(read.events) == 19
    assert read.report is not None
    path.write_text(news_and_video.REC_HEADER + row + "3,70,1,1,,,,1.0\n")
    with pytest.raises(DatasetError, match="missing_time"):
        load_file("kuairec", path)


def test_plays_without_a_time_of_30music(tmp_path: Path) -> None:
    path = tmp_path / "events.idomaar"
    path.write_text(leisure.play(1_390_000_009, 4, 80) * 199 + leisure.play(-1, 4, 80))
    assert len(load_file("30music", tmp_path).events) == 199


def test_cities_are_read_one_by_one(tmp_path: Path) -> None:
    city = next(case for case in leisure.CASES if case.layout.endswith("_TKY.txt"))
    (tmp_path / "dataset_TSMC2014_NYC.txt").write_text(city.text)
    assert len(load_file("foursquare", tmp_path).events) == 2
    (tmp_path / "dataset_TSMC2014_TKY.txt").write_text(city.text)
    with pytest.raises(DatasetError, match=r"number their users apart.* --dataset .*dataset_TSMC2014_NYC.txt"):
        load_file("foursquare", tmp_path)


def test_files_of_several_releases_are_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("A3SGXH7AUHU8GW,0205000001,5.0,1182729600\n" * 3)
    (tmp_path / "new.csv").write_text("0205000001,A3SGXH7AUHU8GW,5.0,1182729600\n" * 3)
    with pytest.raises(DatasetError) as error:
        load_file("amazon-ratings", tmp_path)
    for words in (
        "2018 ratings: new.csv; ",
        "2014 ratings: old.csv. ",
        f"--dataset {tmp_path}/new.csv",
        f"mos import {tmp_path} --",
    ):
        assert words in str(error.value)


def test_the_year_of_tmall_is_said(tmp_path: Path) -> None:
    path = tmp_path / "user_log_format1.csv"
    path.write_text("user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n7,501,12,88,,829,0\n")
    read = load_file("tmall", path)
    assert read.report is not None
    assert "without a year, which is taken as 2014" in read.report.notes[0]
    assert not read.has_clock


def test_days_stay_the_same_day() -> None:
    for name in ("hm", "tmall", "douban"):
        assert {layout.zone for layout in FORMATS[name].layouts} == {"UTC"}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_can_never_be_read_says_why(name: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("1\n")
    with pytest.raises(DatasetError, match=r"times.*: it cannot be read"):
        load_file(name, path)
