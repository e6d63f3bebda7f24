"""Profiles of a whole log at once: what the stream would have made of it, without a broker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import polars as pl

from mos_online.contracts import Context, Session, SessionEvent
from mos_online.sessions import SessionConfig, offline_sessions
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_session
from mos_online.users.view import SessionRouters


def of_users(
    events: pl.DataFrame, *, users: Iterable[str] | None = None, active_within: int | None = None
) -> pl.DataFrame:
    """All events of some users.

    Args:
        events: columns user_id (str) and timestamp (ms) at least.
        users: only these users.
        active_within: only users with an event at most so many ms older than the newest of ``events``.
    """
    wanted = pl.lit(True)
    if users is not None:
        wanted &= pl.col("user_id").is_in(list(users))
    if active_within is not None:
        wanted &= pl.col("timestamp").max().over("user_id") >= pl.col("timestamp").max() - active_within
    return events.filter(wanted)


def past_sessions(events: pl.DataFrame, items: pl.DataFrame, config: SessionConfig) -> Iterator[Session]:
    """The sessions of a log as the sessionizer publishes them: user by user, in the order in which they close.

    Args:
        events: columns user_id, event_id, item_id (str), timestamp (int, ms), event_type (str), and session_id (str or
            null, the publisher's), which only ``config.publisher_ids`` needs; any order.
        items: columns item_id, category (str or null); an event carries its item's category in its context.
        config: the rules of the sessionizer.

    Raises:
        DatasetError: as ``offline_sessions``.
    """
    found = offline_sessions(events, config).sort("user_id", "closes_at", "session_id")
    known = items.select("item_id", "category").unique("item_id")
    ordered = events[found["rows"].explode()].join(known, on="item_id", how="left", maintain_order="left")
    if "session_id" not in ordered.columns:
        ordered = ordered.with_columns(session_id=pl.lit(None, pl.String))
    columns = ("event_id", "item_id", "timestamp", "event_type", "session_id", "category")
    rows = zip(*(ordered[name].to_list() for name in columns), strict=True)
    contexts: dict[str | None, Context | None] = {None: None}  # shared: a million events, few categories
    sessions = found.select("session_id", "user_id", "started_at", "ended_at", "close_reason", "closes_at", "event_ids")
    for session_id, user_id, started_at, ended_at, reason, closes_at, event_ids in sessions.iter_rows():
        happened = []
        for _ in event_ids:
            event_id, item_id, timestamp, event_type, publisher_id, category = next(rows)
            if category not in contexts:
                contexts[category] = {"category": category}
            happened.append(
                SessionEvent(
                    event_id=event_id,
                    item_id=item_id,
                    timestamp=timestamp,
                    event_type=event_type,
                    session_id=publisher_id,
                    context=contexts[category],
                )
            )
        yield Session(
            session_id=session_id,
            user_id=user_id,
            started_at=started_at,
            ended_at=ended_at,
            events=happened,
            close_reason=reason,
            watermark=closes_at,
            revision=config.revision,
        )


def profiles(sessions: Iterable[Session], routers: SessionRouters, sizes: RingSizes) -> Iterator[UserProfile]:
    """Make one profile per user.

    Args:
        sessions: grouped by user, each user's in the order in which they close; see `past_sessions`.
        routers: those of the model in service.
        sizes: how many events have to be covered.
    """
    for user_id, theirs in groupby(sessions, key=lambda session: session.user_id):
        profile = UserProfile(user_id=user_id)
        for session in theirs:
            router = routers.at(session.watermark)
            profile = apply_session(profile, session, router.route(session), router, sizes)
        yield profile
