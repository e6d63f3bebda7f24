"""The synthetic population does what it says, so that what is recovered from it can be judged."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig, offline_sessions
from simulator.dataset import DAY_MS, Dataset
from simulator.population import THEMES, SyntheticConfig, synthesize

SMALL = SyntheticConfig(users=300, themes=8, items_per_theme=40, days=10, seed=3)


@pytest.fixture(scope="module")
def small() -> Dataset:
    return synthesize(SMALL)


def themed(dataset: Dataset) -> pl.DataFrame:
    """Events with theme, number of the item in it, and the theme of the session (its most frequent)."""
    items = dataset.items.with_columns(place=pl.col("item_id").str.extract(r"(\d+)$").cast(pl.Int64))
    events = dataset.events.join(items.select("item_id", "category", "place"), on="item_id", maintain_order="left")
    own = pl.col("category").mode().sort().first().over("session_id")
    return events.with_columns(own=own, place_in=pl.int_range(pl.len()).over("session_id"))


def test_the_same_seed_gives_the_same_log() -> None:
    one, two = synthesize(SMALL), synthesize(SMALL)
    assert one.events.equals(two.events)
    assert not one.events.equals(synthesize(SyntheticConfig(**{**vars(SMALL), "seed": 4})).events)


def test_true_sessions_are_those_of_a_gap_of_half_an_hour(small: Dataset) -> None:
    cut = offline_sessions(small.events, SessionConfig(gap=30 * 60_000, max_duration=10**12))
    true = small.events.group_by("session_id").agg("event_id")["event_id"].to_list()
    assert sorted(map(sorted, cut["event_ids"].to_list())) == sorted(map(sorted, true))
    assert set(cut["close_reason"]) == {"gap"}


def test_sizes_are_as_asked(small: Dataset) -> None:
    sessions = small.events.group_by("session_id").agg(pl.len(), pl.col("user_id").first())
    assert small.events["user_id"].n_unique() == SMALL.users
    assert sessions["len"].mean() == pytest.approx(SMALL.events_per_session, rel=0.05)
    assert len(sessions) / SMALL.users == pytest.approx(SMALL.sessions_per_user, rel=0.1)
    assert len(small.items) == SMALL.themes * SMALL.items_per_theme
    assert set(small.items["category"]) == set(THEMES[:8])
    assert len(set(THEMES)) >= 16


def test_users_resume_a_theme_where_they_left_it() -> None:
    calm = synthesize(SyntheticConfig(**{**vars(SMALL), "noise": 0.0}))
    events = themed(calm)
    step = (pl.col("place") - pl.col("place").shift(1).over("user_id", "category")) % SMALL.items_per_theme
    steps = events.select(step.alias("step")).drop_nulls()["step"]
    assert set(steps) == {1, 2, 3}
    assert events.group_by("session_id").agg(pl.col("category").n_unique())["category"].max() == 1
    assert events.group_by("user_id").agg(pl.col("category").n_unique())["category"].max() == SMALL.themes_per_user


def test_hops_and_noise_are_as_frequent_as_asked(small: Dataset) -> None:
    events = themed(small)
    foreign = float((events["category"] != events["own"]).mean())  # type: ignore[arg-type]
    assert foreign == pytest.approx(SMALL.noise * (1 - 1 / SMALL.themes), abs=0.02)
    calm = themed(synthesize(SyntheticConfig(**{**vars(SMALL), "noise": 0.0}))).filter(pl.col("place_in") == 0)
    hopped = calm.select((pl.col("own") != pl.col("own").shift(1)).over("user_id")).to_series().drop_nulls()
    assert float(hopped.mean()) == pytest.approx(SMALL.hop, abs=0.04)  # type: ignore[arg-type]


def test_days_have_a_rhythm(small: Dataset) -> None:
    hours = small.events["timestamp"].to_numpy() % DAY_MS // 3_600_000
    night, evening = np.isin(hours, (2, 3, 4)).mean(), np.isin(hours, (19, 20, 21)).mean()
    assert evening > 5 * night
    assert small.has_clock


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"hop": 1.5}, "hop=1.5"),
        ({"hop": float("nan")}, "hop=nan"),
        ({"users": 0}, "users=0"),
        ({"sessions_per_user": float("inf")}, "sessions_per_user=inf"),
        ({"days": 10**9}, "between 1 and 36,500"),
        ({"themes": 2}, "4 themes per user of 2 themes"),
        ({"users": 5_000_000}, "300,000,000 events are too many, 100,000,000 are allowed"),
        ({"themes": 10_000, "items_per_theme": 100_000}, "1,000,000,000 items are too many"),
    ],
)
def test_impossible_populations_are_refused(wrong: dict[str, float], complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        SyntheticConfig(**wrong)  # type: ignore[arg-type]
