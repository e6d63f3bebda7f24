"""The profiler's rule without its surroundings: sessions and old profiles in, new profiles and embeddings out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mos_online.contracts import Session, SessionEmbedding
from mos_online.themes.router import Router
from mos_online.users.profile import UNROUTED, Ring, RingSizes, UserProfile, apply_session


def profile_sessions(
    sessions: Sequence[Session], profiles: dict[str, UserProfile], router: Router, sizes: RingSizes, *, gap: int
) -> tuple[dict[str, UserProfile], list[SessionEmbedding]]:
    """Apply sessions in order.

    Args:
        sessions: closed sessions, a user's own in the order in which they closed.
        profiles: of those users who have one.
        router: assigns each session its theme.
        sizes: of the rings.
        gap: silence (ms) that parts the sessions of a profile which another router made.

    Returns:
        The profiles that have changed, and one embedding per session, those that changed nothing included: their
        first embedding may have been lost in a crash.
    """
    changed: dict[str, UserProfile] = {}
    embeddings: list[SessionEmbedding] = []
    for session in sessions:
        user = session.user_id
        old = changed.get(user) or profiles.get(user) or UserProfile(user_id=user, router_version=router.version)
        current = old if old.router_version == router.version else rerouted(old, router, sizes, gap=gap)
        routed = router.route(session)
        new = apply_session(current, session, routed, sizes)
        if new is not old:
            changed[user] = new
        embeddings.append(
            SessionEmbedding(
                session_id=session.session_id,
                user_id=user,
                ended_at=session.ended_at,
                embedding=routed.embedding,
                theme=routed.theme,
                theme_weights=routed.weights,
                router_version=router.version,
            )
        )
    return changed, embeddings


def rerouted(profile: UserProfile, router: Router, sizes: RingSizes, *, gap: int) -> UserProfile:
    """The profile under another router: the themes of its recent events anew; older ones have no theme any more."""
    themes: dict[int, Ring] = {}
    counts: dict[int, int] = {}
    embedding: list[float] = []
    weights: list[float] = []
    for items, times in _runs(profile.recent, gap):
        routed = router.route_items(items, [None] * len(items))
        counts[routed.theme] = counts.get(routed.theme, 0) + 1
        if routed.theme != UNROUTED:
            themes[routed.theme] = themes.get(routed.theme, Ring()).extended(items, times, sizes.theme)
        embedding, weights = routed.embedding, routed.weights
    return UserProfile(
        user_id=profile.user_id,
        router_version=router.version,
        recent=profile.recent,
        themes=themes,
        theme_sessions=counts,
        sessions=profile.sessions,
        last_ended_at=profile.last_ended_at,
        last_closed_at=profile.last_closed_at,
        last_session_id=profile.last_session_id,
        embedding=embedding,
        theme_weights=weights,
    )


def _runs(ring: Ring, gap: int) -> Iterator[tuple[list[str], list[int]]]:
    start = 0
    for end in range(1, len(ring.timestamps) + 1):
        if end == len(ring.timestamps) or ring.timestamps[end] - ring.timestamps[end - 1] > gap:
            yield ring.item_ids[start:end], ring.timestamps[start:end]
            start = end
