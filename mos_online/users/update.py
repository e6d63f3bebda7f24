"""The one update of a profile, by a closed session; the profiler and the backfill both use it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from mos_online.contracts import Session, SessionEmbedding, actions_of, category_of
from mos_online.themes.routed import Routed
from mos_online.users.profile import UserProfile, session_key
from mos_online.users.retention import dropped_sessions
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.view import SessionRouter, SessionRouters, themes_by


def apply_session(
    profile: UserProfile, session: Session, routed: Routed, router: SessionRouter, sizes: RingSizes
) -> UserProfile:
    """The profile after ``session``; the same profile if the session is not above its high-water mark.

    A profile that a router of another epoch has updated last is routed again first.

    Args:
        profile: of the session's user.
        session: closed after those applied before.
        routed: what ``router.route(session)`` gave.
        router: the router in force when the session could close.
        sizes: how many events have to be covered.
    """
    if (session.watermark, session.session_id) <= (profile.last_closed_at, profile.last_session_id):
        return profile
    acted = actions_of(session)
    themes, counts = themes_by(profile, router)
    themes = [*themes, routed.theme]
    lengths = [*profile.session_lengths, len(acted)]
    keys = [*profile.session_keys, session_key(session.session_id)]
    closes = [*profile.session_closes, session.watermark]
    starts = list(accumulate(lengths, initial=0))
    items = profile.item_ids + [event.item_id for event in acted]
    times = profile.timestamps + [event.timestamp for event in acted]
    categories = profile.categories + [category_of(event) for event in acted]
    for number in dropped_sessions(lengths, themes, sizes):
        gone = slice(starts[number], starts[number + 1])
        del items[gone], times[gone], categories[gone]
        del lengths[number], themes[number], keys[number], closes[number]
    return UserProfile(
        user_id=profile.user_id,
        item_ids=items,
        timestamps=times,
        categories=categories,
        session_lengths=lengths,
        session_keys=keys,
        session_closes=closes,
        session_count=profile.session_count + 1,
        last_ended_at=max(session.ended_at, profile.last_ended_at),
        last_closed_at=session.watermark,
        last_session_id=session.session_id,
        router_epoch=router.epoch,
        session_themes=themes,
        theme_sessions=counts | {routed.theme: counts.get(routed.theme, 0) + 1},
        embedding=routed.embedding,
        theme_weights=routed.weights,
    )


def apply_sessions(
    sessions: Sequence[Session], profiles: dict[str, UserProfile], routers: SessionRouters, sizes: RingSizes
) -> tuple[dict[str, UserProfile], list[SessionEmbedding]]:
    """Apply sessions of several users in order.

    Args:
        sessions: closed sessions, a user's own in the order in which they closed.
        profiles: of those users who have one.
        routers: assign each session its theme, by its watermark.
        sizes: how many events have to be covered.

    Returns:
        The profiles that have changed, and one embedding per session, those that changed nothing included: their
        first embedding may have been lost in a crash.
    """
    changed: dict[str, UserProfile] = {}
    embeddings: list[SessionEmbedding] = []
    for session in sessions:
        user, router = session.user_id, routers.at(session.watermark)
        old = changed.get(user) or profiles.get(user) or UserProfile(user_id=user)
        routed = router.route(session)
        new = apply_session(old, session, routed, router, sizes)
        if new is not old:
            changed[user] = new
        embeddings.append(
            SessionEmbedding(
                session_id=session.session_id,
                user_id=user,
                ended_at=session.ended_at,
                closed_at=session.watermark,
                embedding=routed.embedding,
                theme=routed.theme,
                theme_weights=routed.weights,
                router_version=router.version,
            )
        )
    return changed, embeddings
