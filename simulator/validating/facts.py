"""What a log holds, in numbers: of its events, times, sessions and items."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mos_online.contracts import EventTypes
from mos_online.sessions import SessionConfig, offline_sessions
from simulator.dataset import DAY_MS, Dataset

YEAR_2000_MS = 946_684_800_000
"""Few logs are older; in a younger one such a time is a default value that somebody has forgotten."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """When events happened.

    Attributes:
        first, last: ms since epoch UTC; 0 without events.
        future: events later than now.
        ancient: events before the year 2000.
        midnight: events at midnight UTC.
        clock: whether times carry more than a day.
    """

    first: int
    last: int
    future: int
    ancient: int
    midnight: int
    clock: bool


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """The sessions into which the rules cut a log.

    Attributes:
        users: users with a session.
        sessions: how many.
        alone: users with one session only.
        joint: sessions with two or more different items.
        sharing: items in such sessions of the older half of the clicks, of which themes are learned at least.
        capped: sessions that a cap has cut (MOS_SESSION_MAX_EVENTS, MOS_SESSION_MAX_DURATION).
        events: events in sessions.
        largest_user: the user with the most events, and how many; empty and 0 without events.
    """

    users: int
    sessions: int
    alone: int
    joint: int
    sharing: int
    capped: int
    events: int
    largest_user: tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Items:
    """What is known of the items.

    Attributes:
        events: actions.
        seen: different items in them.
        catalogue: items of the catalogue.
        covered: actions whose item is in the catalogue.
        described: actions whose item has a category.
        unseen: items of the catalogue without an action.
    """

    events: int
    seen: int
    catalogue: int
    covered: int
    described: int
    unseen: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a log holds.

    Attributes:
        events: how many, of all types.
        repeats: events that are equal to another in all but their id.
        types: type -> how many, the most frequent first.
        times, sessions, items: see there.
    """

    events: int
    repeats: int
    types: dict[str, int]
    times: Times
    sessions: Sessions
    items: Items


def facts_of(log: Dataset, rules: SessionConfig, *, now: int) -> Facts:
    """Measure a log.

    Args:
        log: of any order.
        rules: by which sessions are cut; where the log has no clock, a session is a day.
        now: ms since epoch.

    Raises:
        DatasetError: sessions are cut by the publisher's ids, and the log has none.
    """
    counted = log.events["event_type"].value_counts(sort=True)
    return Facts(
        events=len(log.events),
        repeats=log.repeats,
        types=dict(counted.iter_rows()),
        times=_times(log, now),
        sessions=_sessions(log, rules),
        items=_items(log),
    )


def _times(log: Dataset, now: int) -> Times:
    times = log.events["timestamp"]
    return Times(
        first=int(times.min() or 0),  # type: ignore[arg-type]
        last=int(times.max() or 0),  # type: ignore[arg-type]
        future=int((times > now).sum()),
        ancient=int((times < YEAR_2000_MS).sum()),
        midnight=int((times % DAY_MS == 0).sum()),
        clock=log.has_clock,
    )


def _sessions(log: Dataset, rules: SessionConfig) -> Sessions:
    clicks = log.clicks
    if clicks.is_empty():
        return Sessions(users=0, sessions=0, alone=0, joint=0, sharing=0, capped=0, events=0, largest_user=("", 0))
    found = offline_sessions(clicks, log.session_rules(rules))
    joint = found.filter(pl.col("item_ids").list.n_unique() > 1)
    older = joint.filter(pl.col("ended_at") <= clicks["timestamp"].median())
    users = found.group_by("user_id").agg(sessions=pl.len(), events=pl.col("event_ids").list.len().sum())
    users = users.sort("events", "user_id", descending=[True, False])
    largest = users.select("user_id", "events").row(0) if len(users) else ("", 0)
    return Sessions(
        users=len(users),
        sessions=len(found),
        alone=int((users["sessions"] == 1).sum()),
        joint=len(joint),
        sharing=older["item_ids"].explode().n_unique() if len(older) else 0,
        capped=int(found["close_reason"].is_in(["max_events", "max_duration"]).sum()),
        events=int(users["events"].sum()),
        largest_user=(str(largest[0]), int(largest[1])),
    )


def _items(log: Dataset) -> Items:
    types = EventTypes.parse(log.event_types)
    actions = types.of_kind(log.events["event_type"].unique(), "action")
    acted = log.events.filter(pl.col("event_type").is_in(actions))["item_id"]
    known = log.items["item_id"].implode()
    described = log.items.filter(pl.col("category").is_not_null())["item_id"].implode()
    return Items(
        events=len(acted),
        seen=acted.n_unique(),
        catalogue=log.items["item_id"].n_unique(),
        covered=int(acted.is_in(known).sum()),
        described=int(acted.is_in(described).sum()),
        unseen=int((~log.items["item_id"].unique().is_in(acted.implode())).sum()),
    )
