"""The profile of the sessions of two profiles of a user, each session once."""

from __future__ import annotations

from typing import NamedTuple

from mos_online.contracts import Session, SessionEvent
from mos_online.users.kept_sessions import kept_sessions
from mos_online.users.profile import UserProfile
from mos_online.users.retention import dropped_sessions
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.view import SessionRouter, themes_by


class _Kept(NamedTuple):
    """A kept session; of one user they are ordered as they closed."""

    closes: int
    starts: int
    key: int
    theme: int
    items: list[str]
    times: list[int]
    categories: list[str | None]

    @property
    def extent(self) -> tuple[int, int]:
        """Grows with the session."""
        return self.closes, len(self.items)


def merge_profiles(stored: UserProfile, other: UserProfile, router: SessionRouter, sizes: RingSizes) -> UserProfile:
    """The profile that holds the sessions of both: a union by the sessions' keys, cut to the ring sizes.

    A profile that was rebuilt from a log, and one that a worker has gone on from, are merged in this way. The events
    are those of the profile of all their sessions, applied in order, if both profiles were cut under ``router``.
    Sessions that closed at the same time and began at the same time are ordered by their keys. If one session is
    longer in one of the profiles, because a log ended in the middle of it, the one that closed later counts.

    ``session_count`` and ``theme_sessions`` are exact unless one of the profiles has dropped sessions that the other
    has not seen: they are not counted then.

    Args:
        stored: a profile of the user.
        other: another one.
        router: the router in service.
        sizes: how many events have to be covered.

    Returns:
        ``stored`` itself if ``other`` adds nothing.
    """
    mine, theirs = _sessions(stored, router), _sessions(other, router)
    longer = {key: one for key, one in theirs.items() if key not in mine or one.extent > mine[key].extent}
    kept = sorted((mine | longer).values())
    for number in dropped_sessions([len(one.items) for one in kept], [one.theme for one in kept], sizes):
        del kept[number]
    newer = max(stored, other, key=_mark)
    more = _mark(newer) > _mark(stored) or other.session_count > stored.session_count
    if not more and not any(one.key in longer for one in kept):
        return stored
    embedding, weights = _embedding(newer, kept, router)
    return UserProfile(
        user_id=stored.user_id,
        item_ids=[item for one in kept for item in one.items],
        timestamps=[time for one in kept for time in one.times],
        categories=[category for one in kept for category in one.categories],
        session_lengths=[len(one.items) for one in kept],
        session_keys=[one.key for one in kept],
        session_closes=[one.closes for one in kept],
        session_count=max(
            stored.session_count + sum(one.key not in mine for one in kept),
            other.session_count + sum(one.key not in theirs for one in kept),
        ),
        last_ended_at=max(stored.last_ended_at, other.last_ended_at),
        last_closed_at=newer.last_closed_at,
        last_session_id=newer.last_session_id,
        router_epoch=router.epoch,
        session_themes=[one.theme for one in kept],
        theme_sessions=_counts(stored, other, kept, router),
        embedding=embedding,
        theme_weights=weights,
    )


def _sessions(profile: UserProfile, router: SessionRouter) -> dict[int, _Kept]:
    themes, _ = themes_by(profile, router)
    return {
        one.key: _Kept(
            closes=one.closes,
            starts=one.times[0],
            key=one.key,
            theme=theme,
            items=one.items,
            times=one.times,
            categories=one.categories,
        )
        for one, theme in zip(kept_sessions(profile), themes, strict=True)
    }


def _counts(stored: UserProfile, other: UserProfile, kept: list[_Kept], router: SessionRouter) -> dict[int, int]:
    """Sessions of each theme, by the same rule as ``session_count``."""
    totals: dict[int, int] = {}
    for profile in (stored, other):
        _, counts = themes_by(profile, router)
        known = set(profile.session_keys)
        counts = dict(counts)
        for one in kept:
            if one.key not in known:
                counts[one.theme] = counts.get(one.theme, 0) + 1
        totals = {theme: max(totals.get(theme, 0), counts.get(theme, 0)) for theme in totals | counts}
    return totals


def _embedding(newer: UserProfile, kept: list[_Kept], router: SessionRouter) -> tuple[list[float], list[float]]:
    """The last session's embedding and theme weights under ``router``."""
    if newer.router_epoch == router.epoch or not kept:
        return newer.embedding, newer.theme_weights
    last = kept[-1]
    events = [
        SessionEvent(event_id="", item_id=item, timestamp=time, context=None if name is None else {"category": name})
        for item, time, name in zip(last.items, last.times, last.categories, strict=True)
    ]
    routed = router.route(
        Session(
            session_id=newer.last_session_id,
            user_id=newer.user_id,
            started_at=last.times[0],
            ended_at=last.times[-1],
            events=events,
            close_reason="gap",
            watermark=last.closes,
        )
    )
    return routed.embedding, routed.weights


def _mark(profile: UserProfile) -> tuple[int, str]:
    return profile.last_closed_at, profile.last_session_id
