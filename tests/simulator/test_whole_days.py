"""Logs of whole days get a time of day that keeps their sessions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.sessions import SessionConfig, offline_sessions
from simulator.dataset import DAY_MS, ITEM_COLUMNS, Dataset, has_clock, numbered
from simulator.whole_days import with_clock

START = 15_000 * DAY_MS
HOUR = 3_600_000


def log_of(visits: list[tuple[str, int]], *, extra: int = 0) -> Dataset:
    """An event of each (user, day), in the order of the file."""
    frame = pl.LazyFrame(
        {
            "user_id": [user for user, _ in visits],
            "item_id": [f"i{number}" for number in range(len(visits))],
            "timestamp": [START + day * DAY_MS + extra for _, day in visits],
            "event_type": ["review"] * len(visits),
            "session_id": pl.Series([None] * len(visits), dtype=pl.String),
        }
    )
    return Dataset(
        name="days", events=numbered(frame, "days").drop("row").collect(), items=pl.DataFrame(schema=ITEM_COLUMNS)
    )


visits = st.lists(st.tuples(st.sampled_from(["u", "v", "ü" * 40, "w"]), st.integers(0, 4)), min_size=1, max_size=80)
gaps = st.sampled_from([2, 15_000, 30 * 60_000, 9 * HOUR, 22 * HOUR])


@pytest.mark.slow
@given(visits, gaps)
@settings(max_examples=200, deadline=None)
def test_a_day_of_a_user_is_a_session_in_the_order_of_the_file(made: list[tuple[str, int]], gap: int) -> None:
    log, rules = log_of(made), SessionConfig(gap=gap)

    spread = with_clock(log, rules)

    assert spread.events["timestamp"].is_sorted()
    assert (spread.events.sort("event_id")["timestamp"] // DAY_MS).equals(log.events["timestamp"] // DAY_MS)
    sessions = offline_sessions(spread.clicks, rules)
    assert len(sessions) == len(set(made))
    for rows in sessions["rows"]:
        ids = spread.events[rows]["event_id"].to_list()
        assert ids == sorted(ids)


def test_the_times_are_those_of_people_and_the_same_each_time() -> None:
    log = log_of([(f"u{number}", number % 30) for number in range(20_000)])

    spread = with_clock(log, SessionConfig())

    hours = np.bincount((spread.events["timestamp"].to_numpy() % DAY_MS) // HOUR, minlength=24)
    assert hours[:7].sum() == 0
    assert hours[23] == 0
    assert hours[20] > 3 * hours[7] > 0
    assert with_clock(log, SessionConfig()).events.equals(spread.events)
    assert spread.events["timestamp"][0] == 1_296_025_248_320


@pytest.mark.parametrize("events", [500, 20_000])
def test_a_day_with_very_many_events_still_fits_into_it(events: int) -> None:
    spread = with_clock(log_of([("u", 0)] * events), SessionConfig(max_events=100_000))

    assert len(offline_sessions(spread.clicks, SessionConfig(max_events=100_000))) == 1
    times = spread.events["timestamp"]
    assert int(times[-1]) - int(times[0]) <= 2 * HOUR


@pytest.mark.parametrize("hour", [0, 5, 16])
def test_days_that_begin_at_midnight_of_another_zone_are_whole_days(hour: int) -> None:
    log = log_of([(f"u{number}", number % 9) for number in range(300)], extra=hour * HOUR)

    assert not log.has_clock
    assert with_clock(log, SessionConfig()).has_clock


def test_a_log_with_a_clock_stays_as_it_is() -> None:
    log = log_of([("u", 0), ("u", 1)], extra=12_345)
    clocked = replace(
        log, events=log.events.with_columns(timestamp=pl.col("timestamp") + pl.int_range(pl.len()) * 1000)
    )

    assert with_clock(clocked, SessionConfig()) is clocked


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([0, 1, 2, 3_600_000, 7_200_000, 86_399_999]), min_size=1, max_size=400), st.integers(0, 9)
)
def test_a_clock_is_told_as_if_every_time_was_counted(odd: list[int], common: int) -> None:
    """Most times may be two of a day; a sample decides only what it can prove."""
    times = [DAY_MS * n + 7_200_000 * (n % 2) for n in range(common * 1000)] + odd
    counts = Counter(time % DAY_MS for time in times)
    whole = max(counts[0], sum(count for _, count in counts.most_common(2)) if len(times) >= 100 else 0)
    assert has_clock(pl.Series(times, dtype=pl.Int64)) == (whole < 0.99 * len(times))
