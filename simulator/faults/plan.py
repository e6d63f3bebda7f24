"""Faults of real streams, injected on purpose and known exactly: what they do to the sessions is part of the plan.

A click suffers at most one fault. The plan is a function of the clicks and the seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import polars as pl

from mos_online.arrays import Ints
from mos_online.errors import SettingsError
from mos_online.sessions.config import SessionConfig
from simulator.faults.malformed import MALFORMATIONS

YEAR_MS = 365 * 86_400_000
LATE_BY = (1_000, 600_000)
"""A late click comes this much (ms, from and to) after the last moment at which it would have been taken."""


class Kind(IntEnum):
    """The fault that a click suffers, or none."""

    ON_TIME = 0
    DISORDERED = 1
    DUPLICATE = 2
    TOO_LATE = 3
    MALFORMED = 4
    SKEWED = 5


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Shares of clicks (0..1, together at most 1) that suffer each fault.

    Attributes:
        malformed: replaced by a message that no reader can use.
        duplicated: sent again a little later.
        disordered: delayed by up to ``disorder``, within the allowed lateness.
        too_late: delayed beyond the allowed lateness.
        skewed: stamped by a clock that is a year or more ahead.
        disorder: ms of event time.
        seed: of the random choice.

    Raises:
        SettingsError: a value is out of range.
    """

    malformed: float = 0.0
    duplicated: float = 0.0
    disordered: float = 0.0
    too_late: float = 0.0
    skewed: float = 0.0
    disorder: int = 2_000
    seed: int = 0

    def __post_init__(self) -> None:
        shares = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("disorder", "seed")}
        if min(shares.values()) < 0 or sum(shares.values()) > 1:
            raise SettingsError(f"shares of faults must be at least 0 and add up to at most 1, got {shares}")
        if self.disorder < 0 or self.seed < 0:
            raise SettingsError(f"disorder ({self.disorder} ms) and seed ({self.seed}) must be at least 0")

    @property
    def delay(self) -> int:
        """The longest delay (ms) of a click that is meant to be in time."""
        return self.disorder if self.disordered else 0


@dataclass(frozen=True, kw_only=True)
class Injected:
    """The faults that a plan injects, so that an oracle knows what must come out.

    Attributes:
        counts: name of the fault -> clicks that suffer it.
        dead_letters: reason -> dead letters to expect.
        excluded: ids of events that must not appear in any session.
    """

    counts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    excluded: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """All messages of a replay, in the order in which they are sent.

    Attributes:
        frame: the columns of ``Dataset.events``, and release (int64, event time in ms at which to send; ascending),
            kind (int8, a ``Kind``) and malformation (int8, index of ``MALFORMATIONS``).
        expected: rows, as of ``Dataset.events``, that must be in sessions: all clicks but the excluded.
        injected: the faults.
    """

    frame: pl.DataFrame
    expected: pl.DataFrame
    injected: Injected


def plan(clicks: pl.DataFrame, faults: Faults, sessions: SessionConfig, *, slack: int, now: int) -> Schedule:
    """Decide which clicks suffer what, and when each is sent.

    Args:
        clicks: as ``Dataset.events``, ascending in time.
        faults: shares and seed.
        sessions: the rules of the sessionizer that will read this.
        slack: ms that a duplicate may be sent after its original and still be in time.
        now: wall clock, ms since epoch; skewed clicks are ahead of it.
    """
    rng = np.random.default_rng(faults.seed)
    count = len(clicks)
    kind = _draw(faults, count, rng)
    malformation = rng.integers(0, len(MALFORMATIONS), count)
    true_time = clicks["timestamp"].to_numpy()
    delays = {
        Kind.DISORDERED: rng.integers(0, faults.disorder + 1, count),
        Kind.TOO_LATE: sessions.lateness + rng.integers(LATE_BY[0], LATE_BY[1] + 1, count),
    }
    release = true_time + sum(np.where(kind == which, delay, 0) for which, delay in delays.items())
    ahead = max(now, int(true_time[-1])) + YEAR_MS + rng.integers(0, YEAR_MS, count)
    planned = clicks.with_columns(
        timestamp=pl.Series(np.where(kind == Kind.SKEWED, ahead, true_time)),
        release=pl.Series(release, dtype=pl.Int64),
        kind=pl.Series(np.where(kind == Kind.DUPLICATE, Kind.ON_TIME, kind), dtype=pl.Int8),
        malformation=pl.Series(malformation, dtype=pl.Int8),
    )
    again = pl.Series(true_time + rng.integers(0, slack + 1, count), dtype=pl.Int64)
    copies = planned.with_columns(release=again, kind=pl.lit(int(Kind.DUPLICATE), pl.Int8)).filter(
        pl.Series(kind == Kind.DUPLICATE)
    )
    lost = np.isin(kind, (Kind.TOO_LATE, Kind.MALFORMED, Kind.SKEWED))
    return Schedule(
        frame=pl.concat([planned, copies]).sort("release", maintain_order=True),
        expected=clicks.filter(pl.Series(~lost)),
        injected=Injected(
            counts={which.name.lower(): int((kind == which).sum()) for which in Kind if which is not Kind.ON_TIME},
            dead_letters=_dead_letters(malformation[kind == Kind.MALFORMED].tolist(), int((kind == Kind.SKEWED).sum())),
            excluded=frozenset(clicks.filter(pl.Series(lost))["event_id"]),
        ),
    )


def _draw(faults: Faults, count: int, rng: np.random.Generator) -> Ints:
    shares = {
        Kind.DISORDERED: faults.disordered,
        Kind.DUPLICATE: faults.duplicated,
        Kind.TOO_LATE: faults.too_late,
        Kind.MALFORMED: faults.malformed,
        Kind.SKEWED: faults.skewed,
    }
    weights = np.array([max(0.0, 1 - sum(shares.values())), *shares.values()])
    return rng.choice([Kind.ON_TIME, *shares], count, p=weights / weights.sum())


def _dead_letters(malformations: list[int], skewed: int) -> Mapping[str, int]:
    reasons = Counter(MALFORMATIONS[index][0] for index in malformations)
    if skewed:
        reasons["future_timestamp"] = skewed
    return reasons
