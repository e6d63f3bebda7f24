"""A synthetic population whose themes are known: the log on which recovered themes can be judged.

K rings of M items. Each user owns a few rings and a position on each; at every session they hop to another of their
rings with some probability, and *resume it where they left it*; each event advances one to three steps, except for
noise. So what comes next is known from the theme's own past, and hardly from the last session.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mos_online.arrays import Ints
from mos_online.errors import DatasetError
from simulator.dataset import DAY_MS, Dataset, numbered

THEMES = (
    "jazz", "gardening", "cycling", "astronomy", "chess", "baking", "sailing", "photography",
    "robotics", "painting", "hiking", "cinema", "history", "football", "pottery", "birding",
    "travel", "poetry", "climbing", "economics", "knitting", "archery", "opera", "geology",
)  # fmt: skip

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
LONGEST_PAUSE = 25 * MINUTE
"""Inside a session (ms): below the usual session gap of 30 minutes."""
SHORTEST_ABSENCE = 31 * MINUTE
"""Between two sessions of a user (ms): above it."""

LIMITS = {
    "hop": (0, 1),
    "noise": (0, 1),
    "newcomers": (0, 1),
    "days": (1, 36_500),
    "started_at": (0, 4_102_444_800_000),  # 1 January 2100
    "seed": (0, 2**63),
}
"""Lowest and highest value of the settings that are no sizes; a size is between 1 and ten million."""
MOST = 100_000_000
"""Events, items, and users times themes: all of the population is in memory at once."""


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """Size and habits of the population; the same values give the same log.

    Attributes:
        users: how many.
        themes, items_per_theme: K rings of M items.
        themes_per_user: rings that a user owns.
        sessions_per_user: mean; users differ widely in it.
        events_per_session: mean, at least 1.
        hop: probability that a session is on another ring than the user's last one.
        noise: probability that an event is any item at all.
        newcomers: share of users who first appear during the log instead of at its start.
        days: length of the log.
        started_at: its first midnight, ms since epoch UTC.
        seed: of the random numbers.

    Raises:
        DatasetError: a value is out of range.
    """

    users: int = 2000
    themes: int = 12
    items_per_theme: int = 60
    themes_per_user: int = 4
    sessions_per_user: float = 12.0
    events_per_session: float = 5.0
    hop: float = 0.5
    noise: float = 0.1
    newcomers: float = 0.2
    days: int = 20
    started_at: int = 1_709_510_400_000  # Monday 4 March 2024
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> SyntheticConfig:
        """Read settings as they are written on the command line.

        Raises:
            DatasetError: a setting is unknown, written otherwise, or out of range.

        >>> SyntheticConfig.parse("hop=0.8,users=500") == SyntheticConfig(hop=0.8, users=500)
        True
        """
        types = {field.name: float if field.type == "float" else int for field in fields(cls)}
        values = {}
        for part in text.split(","):
            name, _, value = part.partition("=")
            try:
                values[name.strip()] = types[name.strip()](value)
            except (KeyError, ValueError):
                raise DatasetError(
                    f"{part!r} is no setting of the synthetic population: write name=number, as in "
                    f"synthetic:hop=0.8,noise=0.3; the names are {', '.join(types)}"
                ) from None
        return cls(**values)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = LIMITS.get(field.name, (1, 10_000_000))
            if not low <= value <= high:
                raise DatasetError(f"synthetic population: {field.name}={value}, must be between {low:,} and {high:,}")
        if self.themes_per_user > self.themes:
            raise DatasetError(f"synthetic population: {self.themes_per_user} themes per user of {self.themes} themes")
        self._refuse_what_is_too_large()

    def _refuse_what_is_too_large(self) -> None:
        sizes = {
            "events": self.users * self.sessions_per_user * self.events_per_session,
            "items": self.themes * self.items_per_theme,
            "users times themes": self.users * self.themes,
        }
        for what, size in sizes.items():
            if size > MOST:
                raise DatasetError(f"synthetic population: {size:,.0f} {what} are too many, {MOST:,} are allowed")


@dataclass(frozen=True, kw_only=True)
class Population:
    """A log, and how its users stand when it ends: from there a simulation can go on.

    Attributes:
        config: that it was made by.
        dataset: the log. The item of place m on ring k is row ``k * items_per_theme + m`` of its items.
        owned: int64 (users, themes_per_user), the rings of each user.
        position: int64 (users, themes), where each user has left each ring.
        ring: int64 (users,), the ring of the last session.
    """

    config: SyntheticConfig
    dataset: Dataset
    owned: Ints
    position: Ints
    ring: Ints

    @property
    def user_ids(self) -> list[str]:
        """The user_id of each user."""
        return [_user_id(number, self.config.users) for number in range(self.config.users)]


def synthesize(config: SyntheticConfig) -> Dataset:
    """Generate the log; ``items.category`` is the planted theme, ``events.session_id`` the true session."""
    return populate(config).dataset


def populate(config: SyntheticConfig) -> Population:
    """Generate the log of ``synthesize``, with the habits of its users."""
    rng = np.random.default_rng(config.seed)
    sessions, owned = _sessions(config, rng)
    events, position = _walk(_events(sessions, config, rng), config, rng)
    ring = sessions.group_by("user").agg(pl.col("ring").last()).sort("user")["ring"].to_numpy()
    names = [_theme(k) for k in range(config.themes)]
    items = pl.DataFrame(
        [(f"{name}-{m:03}", f"{name} {m}", name) for name in names for m in range(config.items_per_theme)],
        schema=["item_id", "title", "category"],
        orient="row",
    )
    frame = numbered(
        events.lazy().select(
            pl.Series([_user_id(number, config.users) for number in range(config.users)])
            .gather(events["user"])
            .alias("user_id"),
            items["item_id"].gather(events["item"]).alias("item_id"),
            "timestamp",
            pl.lit("click").alias("event_type"),
            pl.format("{}-{}", "user", "visit").alias("session_id"),
        ),
        "synthetic",
    ).select("user_id", "item_id", "event_id", "timestamp", "event_type", "session_id")
    dataset = Dataset(name="synthetic", events=frame.collect(), items=items)
    return Population(config=config, dataset=dataset, owned=owned, position=position, ring=ring)


def _sessions(config: SyntheticConfig, rng: np.random.Generator) -> tuple[pl.DataFrame, Ints]:
    """One row per session, by user and time: user, visit (number), ring, length (events), start (ms in the log).

    Also the rings of each user, int64 (users, themes_per_user).
    """
    activity = rng.gamma(2.0, (config.sessions_per_user - 1) / 2.0, config.users)
    visits = 1 + rng.poisson(activity)
    user = np.repeat(np.arange(config.users), visits)
    visit = np.arange(len(user)) - np.repeat(np.cumsum(visits) - visits, visits)

    joined = np.where(rng.random(config.users) < config.newcomers, rng.random(config.users), 0.0)[user]
    day = np.floor((joined + (1 - joined) * rng.random(len(user))) * config.days)
    start = (day * DAY_MS).astype(np.int64) + _time_of_day(len(user), rng)
    start = start[np.lexsort((start, user))]

    owned = rng.random((config.users, config.themes)).argsort(axis=1)[:, : config.themes_per_user]
    # A hop goes to any of the other rings, so a running sum of steps names the ring.
    step = np.where(
        rng.random(len(user)) < config.hop,
        rng.integers(1, max(2, config.themes_per_user), len(user)),
        0,
    )
    choice = _running_sum(step, visit == 0) % config.themes_per_user
    frame = pl.DataFrame(
        {
            "user": user,
            "visit": visit,
            "ring": owned[user, choice],
            "length": 1 + rng.poisson(config.events_per_session - 1, len(user)),
            "start": start,
        }
    )
    return frame, owned


def _events(sessions: pl.DataFrame, config: SyntheticConfig, rng: np.random.Generator) -> pl.DataFrame:
    """One row per event: user, visit, ring, timestamp (ms since epoch)."""
    length = sessions["length"].to_numpy()
    session = np.repeat(np.arange(len(sessions)), length)
    first = np.zeros(len(session), dtype=bool)
    first[np.cumsum(length) - length] = True
    pause = np.clip(rng.lognormal(np.log(40 * SECOND), 1.1, len(session)), SECOND, LONGEST_PAUSE).astype(np.int64)
    since_start = _running_sum(np.where(first, 0, pause), first)
    lasts = since_start[np.cumsum(length) - 1]
    start = _kept_apart(sessions["start"].to_numpy(), lasts, sessions["visit"].to_numpy() == 0, rng)
    return sessions.select("user", "visit", "ring")[session].with_columns(
        timestamp=pl.Series(config.started_at + start[session] + since_start)
    )


def _walk(events: pl.DataFrame, config: SyntheticConfig, rng: np.random.Generator) -> tuple[pl.DataFrame, Ints]:
    """Add item (row of the catalogue): each user moves along their ring, from where they left it.

    Also where each user leaves each ring, int64 (users, themes).
    """
    noise = rng.random(len(events)) < config.noise
    step = np.where(noise, 0, rng.integers(1, 4, len(events)))
    begin = rng.integers(0, config.items_per_theme, (config.users, config.themes))
    walked = (
        events.with_columns(step=pl.Series(step))
        .select(pl.col("step").cum_sum().over("user", "ring"))
        .to_series()
        .to_numpy()
    )
    user, ring = events["user"].to_numpy(), events["ring"].to_numpy()
    position = (begin[user, ring] + walked) % config.items_per_theme
    anything = rng.integers(0, config.themes * config.items_per_theme, len(events))
    end = begin.copy()
    np.add.at(end, (user, ring), step)
    items = np.where(noise, anything, ring * config.items_per_theme + position)
    return events.with_columns(item=pl.Series(items)), end % config.items_per_theme


def _time_of_day(count: int, rng: np.random.Generator) -> Ints:
    """Milliseconds after midnight: a morning, a lunch-time and an evening peak."""
    peak = rng.choice(3, count, p=[0.25, 0.25, 0.5])
    hour = rng.normal(np.array([8.5, 13.0, 20.5])[peak], np.array([1.5, 1.2, 2.0])[peak])
    return ((hour % 24) * HOUR).astype(np.int64)


def _kept_apart(start: Ints, lasts: Ints, first: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Delay sessions so that each begins well after the user's previous one has ended.

    Args:
        start: wanted starts (ms), sorted within a user.
        lasts: duration of each session (ms).
        first: True at the first session of each user.
        rng: draws how long users stay away at least.

    With c the running sum of (duration + absence) of the sessions before, start' = c + running max of (start - c).
    """
    absence = SHORTEST_ABSENCE + rng.exponential(30 * MINUTE, len(start)).astype(np.int64)
    before = _running_sum(np.where(first, 0, np.roll(lasts + absence, 1)), first)
    wanted = pl.DataFrame({"user": np.cumsum(first), "start": start - before})
    begins: Ints = before + wanted.select(pl.col("start").cum_max().over("user")).to_series().to_numpy()
    return begins


def _running_sum(values: Ints, restart: NDArray[np.bool_]) -> Ints:
    """Cumulative sum that begins anew, with its own value, wherever ``restart`` is True (so at index 0).

    >>> _running_sum(np.array([1, 2, 3, 4]), np.array([True, False, True, False])).tolist()
    [1, 3, 3, 7]
    """
    total = np.cumsum(values)
    heads = np.flatnonzero(restart)
    return total - np.repeat((total - values)[heads], np.diff(np.append(heads, len(values))))


def _user_id(number: int, users: int) -> str:
    return f"u{number:0{len(str(users - 1))}}"


def _theme(number: int) -> str:
    return THEMES[number] if number < len(THEMES) else f"theme{number + 1}"
