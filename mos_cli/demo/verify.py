"""Checks that nothing was lost or changed; they decide the demo's exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mos_online.contracts import Session
from mos_online.sessions import SessionConfig, offline_sessions
from mos_online.settings import Settings


@dataclass(frozen=True, kw_only=True)
class SessionCheck:
    """Streaming sessions beside the oracle's; ``examples`` describes up to five faults in words."""

    oracle: int
    closed: int
    missing: int
    different: int
    unexpected: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether stream and oracle hold exactly the same sessions."""
        return not (self.missing or self.different or self.unexpected)


def check_sessions(streamed: Mapping[str, Session], events: pl.DataFrame, config: SessionConfig) -> SessionCheck:
    """Compare one by one: user, start, end, close reason, and the ids of the events and items in order.

    Args:
        streamed: session_id -> session from the topic.
        events: what was sent and should be in sessions; columns as for ``offline_sessions``.
        config: the rules of both.
    """
    expected = {row["session_id"]: row for row in offline_sessions(events, config).iter_rows(named=True)}
    missing = [name for name in expected if name not in streamed]
    unexpected = [name for name in streamed if name not in expected]
    different = [
        name for name, row in expected.items() if name in streamed and _facts(streamed[name]) != _row_facts(row)
    ]
    examples = [f"missing {name}" for name in missing[:2]] + [f"unexpected {name}" for name in unexpected[:2]]
    examples += [f"different {name}" for name in different[:2]]
    return SessionCheck(
        oracle=len(expected),
        closed=len(streamed),
        missing=len(missing),
        different=len(different),
        unexpected=len(unexpected),
        examples=tuple(examples[:5]),
    )


def _facts(session: Session) -> tuple[Any, ...]:
    return (
        session.user_id,
        session.started_at,
        session.ended_at,
        session.close_reason,
        [event.event_id for event in session.events],
        [event.item_id for event in session.events],
    )


def _row_facts(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["user_id"],
        row["started_at"],
        row["ended_at"],
        row["close_reason"],
        row["event_ids"],
        row["item_ids"],
    )


@dataclass(frozen=True, kw_only=True)
class ProfileCheck:
    """Users whose last session's embedding could be read back with the plain Feast SDK."""

    expected: int
    readable: int
    stale: int

    @property
    def passed(self) -> bool:
        """Whether every user who closed a session is readable, and up to date."""
        return self.readable == self.expected and self.stale == 0


def check_profiles(settings: Settings, streamed: Mapping[str, Session], batch: int = 200) -> ProfileCheck:
    """Read every user's state as another team would: ``FeatureStore.get_online_features``."""
    from feast import FeatureStore  # noqa: PLC0415 - slow to import

    last: dict[str, Session] = {}
    for session in streamed.values():
        held = last.get(session.user_id)
        if held is None or session.ended_at > held.ended_at:
            last[session.user_id] = session
    store = FeatureStore(repo_path=str(settings.feast_dir))
    features = ["user_state:last_session_id", "user_state:embedding"]
    readable = stale = 0
    users: Sequence[str] = list(last)
    for start in range(0, len(users), batch):
        part = users[start : start + batch]
        answer = store.get_online_features(features, [{"user_id": user} for user in part]).to_dict()
        for user, session_id, embedding in zip(part, answer["last_session_id"], answer["embedding"], strict=True):
            if embedding:
                readable += 1
                stale += session_id != last[user].session_id
    return ProfileCheck(expected=len(last), readable=readable, stale=stale)
