"""Logs whose times are whole days, such as Amazon's reviews: their events are spread over a plausible day.

The order of a user's events inside a day is that of the file. When in a day the user came is invented: it follows from
the user's id and the day alone, so a log gets the same times whenever it is read.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import polars as pl

from mos_online.arrays import Floats, Ints
from mos_online.sessions.config import SessionConfig
from simulator.dataset import DAY_MS, Dataset

HOUR_MS = 3_600_000
CLOSES, OPEN_FOR = 23 * HOUR_MS, 16 * HOUR_MS
"""No event is later than the first (ms after midnight), and none is earlier by more than the second (ms)."""
LONGEST = 2 * HOUR_MS
"""No visit lasts longer (ms), however many events a day has."""
PAUSE = 45_000
"""Mean time between two events of a visit (ms), unless there are too many for ``LONGEST``."""
NIGHT = 10 * 60_000
"""The last event of a day and the first of the next are farther apart than the session gap by at least this (ms)."""
ASSUMED = (
    "all times are whole days, so each event gets a time of its day: a user's events of a day are one visit, in the "
    "order of the source"
)
ARRIVALS = np.array([1, 2, 3, 3, 4, 4, 3, 3, 3, 3, 4, 5, 6, 7, 6, 4], np.float64)
"""How many people come in each sixteenth of the opening hours: most in the evening."""


def with_clock(dataset: Dataset, rules: SessionConfig) -> Dataset:
    """The same log, with a time of day where it has none. A log that has one stays as it is.

    The events of a user on one day become one visit, which is a session unless the caps of the rules cut it. Visits on
    different days are different sessions if the session gap is below 23 hours.

    Args:
        dataset: any.
        rules: by which sessions will be cut.

    Returns:
        The same events with the same ids, sorted by (timestamp, event_id).
    """
    if dataset.has_clock:
        return dataset
    frame = dataset.events.with_columns(_day=pl.col("timestamp") // DAY_MS)
    visits = frame.select(
        count=pl.len().over("user_id", "_day"), place=pl.int_range(pl.len()).over("user_id", "_day"), day=pl.col("_day")
    )
    count, place, day = (visits[name].to_numpy().astype(np.int64) for name in ("count", "place", "day"))
    offsets = _offsets(_user_hashes(frame["user_id"]), day, count, place, rules)
    events = frame.with_columns(timestamp=pl.Series(day * DAY_MS + offsets)).drop("_day")
    if dataset.report is not None:
        dataset.report.assumed.append(ASSUMED)
    return replace(dataset, events=events.sort("timestamp", "event_id"))


def _offsets(users: Ints, day: Ints, count: Ints, place: Ints, rules: SessionConfig) -> Ints:
    """Time after midnight (ms) of each of n events, by the hash of its user, its day, its visit and its place in it."""
    room = DAY_MS - rules.gap - NIGHT
    width = min(OPEN_FOR, room) if room >= HOUR_MS else OPEN_FOR  # no width keeps days apart under so long a gap
    longest = min(LONGEST, width, rules.max_duration)
    step = np.minimum(min(PAUSE, rules.gap / 2), longest / count)
    opened = CLOSES - width
    arrival = opened + _evening(_uniform(users, day)) * (width - step * count)
    return np.floor(arrival + (place + _uniform(users, day, place)) * step).astype(np.int64)


def _evening(shares: Floats) -> Floats:
    """The share of the opening hours after which that share of people has come, float64 (n,)."""
    come = np.concatenate([[0.0], np.cumsum(ARRIVALS)]) / ARRIVALS.sum()
    return np.interp(shares, come, np.linspace(0.0, 1.0, len(come)))


def _user_hashes(users: pl.Series) -> Ints:
    """A number for each user id that is the same on every machine, int64 (n,)."""
    known = users.unique()
    hashes = pl.Series([zlib.crc32(user.encode()) for user in known], dtype=pl.Int64)
    return users.replace_strict(known, hashes).to_numpy().astype(np.int64)


def _uniform(*keys: Ints) -> Floats:
    """Numbers in [0, 1) that follow from the keys, float64 (n,).

    SplitMix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    state = np.zeros(len(keys[0]), np.uint64)
    for key in keys:
        state = (state ^ key.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / 2**53
