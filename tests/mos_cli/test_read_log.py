"""Every verb reads a log in one way, and shows what became of its rows."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console

from mos_cli import analyze
from mos_cli.backfill import command as backfill
from mos_cli.demo import command as demo
from mos_cli.evaluate import command as evaluate
from mos_cli.read_log import read_log
from mos_cli.replay import command as replay
from mos_cli.train import command as train
from mos_cli.validate import command as validate
from mos_online.errors import DatasetError
from mos_online.settings import Settings
from simulator.datasets import ReadOptions
from tests.mos_cli.mos_runs import Mos

VERBS = {
    "analyze": analyze.app,
    "backfill": backfill.app,
    "demo": demo.app,
    "evaluate": evaluate.app,
    "replay": replay.app,
    "train": train.app,
    "validate": validate.app,
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_reads_a_log_has_the_same_options(verb: str) -> None:
    command = typer.main.get_command(VERBS[verb])
    command = getattr(command, "commands", {}).get("hopping", command)
    flags = {flag for option in command.params for flag in option.opts}
    assert {"--dataset", "--format", "--zone", "--max-refused"} <= flags


def test_what_was_refused_and_assumed_is_shown(tmp_path: Path, mos_home: Settings) -> None:
    path = tmp_path / "[reviews]"
    line = '{"user_id":"u","business_id":"b%d","stars":4,"date":"2018-01-02 03:04:05"}\n'
    path.write_text("".join(line % n for n in range(200)) + line.replace("2018", "20018") % 1)
    shown = StringIO()
    log = read_log(str(path), None, ReadOptions(), settings=mos_home, console=Console(file=shown, width=200))
    assert len(log.events) == 200
    text = shown.getvalue()
    for words in (
        "200 of 201 rows",
        "1 with a time that cannot be read; the first is [reviews], line 201: date (timestamp) is '20018-01-02",
        "ISO 8601, zone UTC",
        "the reviews of a user without a long gap",
        "[reviews] is read as Yelp yelp_academic_dataset_review.json (--format yelp)",
        "--zone names another",
    ):
        assert words in text
    quiet = StringIO()
    read_log("synthetic:users=20", None, ReadOptions(), settings=mos_home, console=Console(file=quiet))
    assert quiet.getvalue() == ""
    with pytest.raises(DatasetError, match=r"1 of 201 rows cannot be used, at most 0\.00% may be"):
        read_log(str(path), "yelp", ReadOptions(max_refused=0), settings=mos_home, console=Console(file=quiet))


def test_a_log_of_whole_days_gets_a_time_of_day_where_it_is_learned_from_or_sent(
    tmp_path: Path, mos_home: Settings
) -> None:
    path = tmp_path / "reviews.json"
    line = '{"user_id":"u%d","business_id":"b%d","stars":4,"date":"2016-01-%02d 00:00:00"}\n'
    path.write_text("".join(line % (n % 7, n, 1 + n % 28) for n in range(200)))
    shown = StringIO()
    log = read_log(str(path), "yelp", ReadOptions(), settings=mos_home, console=Console(file=shown, width=200))
    assert log.has_clock
    assert "all times are whole days" in shown.getvalue()
    as_found = read_log(
        str(path), "yelp", ReadOptions(), settings=mos_home, console=Console(file=StringIO()), clock=False
    )
    assert not as_found.has_clock


def test_a_catalogue_that_is_too_small_is_said(tmp_path: Path, mos: Mos) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text("".join(f"{n % 40}::{n % 10}::4::{1_500_000_000 + 60 * n}\n" for n in range(400)))
    tried = mos("train", "--dataset", str(path), "--minutes", "0.05")
    assert tried.status == 2
    assert "training needs at least 18 items that were clicked; this log has 10" in " ".join(tried.err.split())


def test_milliseconds_in_a_folder_are_said_at_reading(tmp_path: Path, mos: Mos) -> None:
    import polars as pl

    (tmp_path / "ms").mkdir()
    pl.DataFrame({"user_id": ["u"], "item_id": ["i"], "timestamp": [1_600_000_000_000]}).write_parquet(
        tmp_path / "ms" / "events.parquet"
    )
    for verb in (["train"], ["replay"], ["backfill"]):
        tried = mos(*verb, "--dataset", str(tmp_path / "ms"))
        assert tried.status == 2
        if verb != ["backfill"]:  # which first asks for a model
            assert "are the times in milliseconds, not seconds?" in " ".join(tried.err.split())
