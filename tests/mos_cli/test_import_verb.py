"""``mos import``: what it shows, where it writes, what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from mos_online.processes import wait_until, work_of
from mos_online.settings import Settings
from tests.mos_cli.mos_runs import Answer, Mos


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = [f"c{n % 3};a{n % 2};2024-03-04T10:{n:02}:00;{'view' if n % 2 else 'wish,list'}" for n in range(20)]
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join(["customer;sku;created_at;action", *rows]))
    return path


def refused(answer: Answer, words: str) -> None:
    assert answer.status == 2, answer
    assert words in answer.err
    assert "Traceback" not in answer.err + answer.out


def test_it_shows_columns_and_report_and_writes_below_home(log: Path, mos: Mos, mos_home: Settings) -> None:
    answer = mos("import", str(log))
    assert answer.status == 0, answer
    for words in (
        "fields separated by semicolons, with a header",
        "by its name",
        "20 of 20 rows",
        "ISO 8601",
        "times name no zone and are taken as UTC",
        "from 2024-03-04 10:00 to 2024-03-04 10:19 UTC",
        "view 10 (weight 1)",
        "--dataset clicks",
    ):
        assert words in answer.out, words
    assert (mos_home.home / "datasets" / "clicks" / "events.parquet").is_file()
    refused(mos("import", str(log)), "holds a dataset already; --force replaces it")
    assert mos("import", str(log), "--force").status == 0
    refused(mos("train", "--dataset", "clicks", "--minutes", "0.05"), "200")


def test_a_refused_value_is_named_by_its_own_column_and_where_the_log_comes_from_is_remembered(
    log: Path, mos: Mos
) -> None:
    with log.open("a") as file:
        file.write("\n;a1;2024-03-04T11:00:00;view")
    answer = mos("import", str(log), "--max-refused", "0.1")
    assert "1 with no user; the first is clicks.csv, line 22: customer (user_id) is ''" in answer.out
    refused(mos("import", str(log), "--to", "other"), "line 22: customer (user_id) is ''")
    validated = mos("validate", "--dataset", "clicks").out
    assert "imported from clicks.csv, 20 of 21 rows; times were ISO 8601, zone UTC" in validated
    assert "left out were 1 missing_user" in validated
    assert "a session is events of a user with no gap of 30 minutes" in validated
    bare = log.with_name("bare.csv")
    bare.write_text("7;a1;1600000000\n;a2;1600000001\n")
    asked = ("--user", "1", "--item", "2", "--time", "3")
    refused(mos("import", str(bare), *asked), "line 2: column 1 (user_id) is ''")


def test_a_dry_run_writes_nothing(log: Path, mos: Mos, mos_home: Settings) -> None:
    answer = mos("import", str(log), "--dry-run", "--to", "shop")
    assert answer.status == 0, answer
    assert "20 of 20 rows" in answer.out
    assert "nothing is written" in answer.out
    assert not (mos_home.home / "datasets").exists()


def test_options_go_to_the_reader(log: Path, mos: Mos, tmp_path: Path) -> None:
    to = tmp_path / "mine"
    answer = mos(
        *("import", str(log), "--to", str(to), "--zone", "Europe/Berlin", "--session", "sku"),
        *("--user", "customer", "--item", "action", "--type", "=buy", "--time", "created_at:iso"),
    )
    assert answer.status == 0, answer
    assert "export MOS_EVENT_TYPES='buy:5,view:1," in answer.out
    events = pl.read_parquet(to / "events.parquet")
    assert events["timestamp"][0].isoformat() == "2024-03-04T09:00:00+00:00"
    assert events["event_type"].unique().to_list() == ["buy"]
    assert set(events["session_id"]) == {"a0", "a1"}


def test_the_folder_of_datasets_is_that_of_the_setting(
    log: Path, mos: Mos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOS_DATA_DIR", str(tmp_path / "data"))
    assert mos("import", str(log), "--to", "shop").status == 0
    assert (tmp_path / "data" / "shop" / "events.parquet").is_file()


def test_a_public_format_is_recognised(mos: Mos, tmp_path: Path) -> None:
    events = tmp_path / "events.csv"
    events.write_text("timestamp,visitorid,event,itemid,transactionid\n1433221332117,257,view,355,\n")
    answer = mos("import", str(events), "--to", str(tmp_path / "rr"))
    assert answer.status == 0, answer
    assert "Retailrocket events" in answer.out
    refused(mos("import", str(events), "--format", "yelp"), "is no file of")
    refused(mos("import", str(events), "--format", "retailrocket", "--user", "visitorid"), "leave out the options")
    assert mos("import", str(events), "--format", "table", "--to", str(tmp_path / "table")).status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the files of the log"),
        (["nowhere.csv"], "nowhere.csv does not exist"),
        (["--example", "bank"], "there is no example 'bank'; there is shop"),
        (["x.csv", "--example", "shop"], "--example makes its own files"),
        (["LOG", "--zone", "Mars"], "zone 'Mars' is not known"),
        (["LOG", "--to", ".."], "is no name for a dataset"),
        (["LOG", "--format", "netflix"], "unknown format 'netflix'; allowed: adressa, amazon-ratings"),
        (["LOG", "--items-as", "title"], "write item_id=sku"),
        (["LOG", "--items", "nowhere.csv"], "nowhere.csv"),
        (["LOG", "--user", "custmer"], "did you mean 'customer'"),
        (["LOG", "--time", "action:s"], "missing_time|unreadable_time"),
    ],
)
def test_what_is_asked_wrongly_is_told(arguments: list[str], words: str, log: Path, mos: Mos) -> None:
    answer = mos("import", *[str(log) if word == "LOG" else word for word in arguments])
    assert any(word in answer.err for word in words.split("|")), answer
    refused(answer, "")


@pytest.mark.slow
def test_a_real_kill_leaves_nothing_that_is_taken_for_a_dataset(tmp_path: Path) -> None:
    log, data = tmp_path / "log.csv", tmp_path / "data"
    rows = "".join(f"u{n % 997},i{n % 89},{1_600_000_000 + n}\n" for n in range(1000)) * 1500
    log.write_text("user_id,item_id,timestamp\n" + rows)
    command = [sys.executable, "-m", "mos_cli", "import", str(log), "--to", f"{data}/shop"]
    environment = {**os.environ, "MOS_HOME": str(tmp_path / "home")}
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        beside = data / ".shop.importing"
        wait_until(
            lambda: (beside / "new").exists() or process.poll() is not None, progress=lambda: work_of(process.pid)
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, (tmp_path / "out").read_text()
    assert beside.exists()
    assert not list(data.glob("*/events.parquet"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    assert [path.name for path in data.iterdir()] == ["shop"]
    assert len(pl.read_parquet(data / "shop" / "events.parquet")) == 1_500_000


def test_items_of_a_public_format_are_recognised(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    ratings, movies = tmp_path / "ratings.dat", tmp_path / "movies.dat"
    ratings.write_text("9::20::5::1000000007\n9::10::4::1000000003\n")
    movies.write_text("20::Boy (1995)::Drama|War\n10::Girl (1996)::Comedy\n30::None (1997)::Comedy\n")
    answer = mos("import", str(ratings), "--items", str(movies), "--to", "ml")
    assert answer.status == 0, answer
    assert "movies.dat: MovieLens movies.dat" in answer.out
    items = pl.read_parquet(mos_home.home / "datasets" / "ml" / "items.parquet")
    assert items.select("item_id", "title", "category").rows() == [
        ("20", "Boy (1995)", "Drama"),
        ("10", "Girl (1996)", "Comedy"),
        ("30", "None (1997)", "Comedy"),
    ]
    refused(mos("import", str(movies)), "looks like MovieLens movies.dat, which has no events")


def test_a_folder_of_a_public_format_brings_its_items(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "ml"
    folder.mkdir()
    (folder / "ratings.dat").write_text("9::20::5::1000000007\n9::10::4::1000000003\n")
    (folder / "movies.dat").write_text("20::Boy (1995)::Drama|War\n10::Girl (1996)::Comedy\n")
    (folder / "README").write_text("Summary\n")
    answer = mos("import", str(folder), "--format", "movielens", "--to", "whole")
    assert answer.status == 0, answer
    items = pl.read_parquet(mos_home.home / "datasets" / "whole" / "items.parquet")
    assert items["category"].to_list() == ["Drama", "Comedy"]
