"""One dataset, by one name, through verb after verb."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from features.store import OnlineStore
from mos_online.settings import Settings
from simulator.datasets import load
from simulator.window import window
from streams.broker.embedded import embedded_broker
from streams.kafka.tail import follow
from tests.mos_cli.mos_runs import Mos

POPULATION = "synthetic:users=150,themes=4,items_per_theme=20,days=8"


@pytest.mark.slow
def test_a_folder_is_trained_on_backfilled_and_replayed(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    log = load(POPULATION, None)
    dataset = written(tmp_path / "mine")
    trained = mos("train", "--dataset", dataset, "--minutes", "0.05", "--themes", "4")
    assert trained.status == 0, trained
    assert "in service: " in trained.out
    filled = mos("backfill", "--dataset", dataset, "--until", "0.5")
    assert filled.status == 0, filled
    half = log.clicks.head(len(log.clicks) // 2)["user_id"].unique().to_list()
    assert len(OnlineStore.open(mos_home).read_profiles(half)) == len(half)
    with embedded_broker(mos_home):
        replayed = mos("replay", "--dataset", dataset, "--from", "0.9", "--speed", "max", "--groups", "")
        assert replayed.status == 0, replayed
        assert "closed by heartbeats" in replayed.out
        sent = window(log.clicks, start="0.9")
        with closing(follow(mos_home, mos_home.topic("clicks"), from_beginning=True, say=print)) as records:
            keyed = (record.key.decode() for record in records if record.key)
            users = list(islice(keyed, len(sent)))
    assert sorted(users) == sorted(sent["user_id"])


def written(folder: Path) -> str:
    """The population as a folder of files; returns its path."""
    log = load(POPULATION, None)
    folder.mkdir()
    log.events.select(
        "user_id",
        "item_id",
        pl.col("timestamp") // 1000,
        "event_type",
        value=pl.lit(1.0),
        session_id=pl.lit(None, pl.Int64),
    ).write_parquet(folder / "events.parquet")
    log.items.with_columns(category_leaf="category").write_parquet(folder / "items.parquet")
    return str(folder)
