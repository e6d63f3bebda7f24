"""A profile as one router sees it: the theme of each kept session, and from them the rings that the model reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mos_online.arrays import Ints
from mos_online.contracts import Session
from mos_online.themes.routed import Routed
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes

Positions = Ints
"""Places in a profile's ``item_ids`` and ``timestamps``, oldest event first."""


class SessionRouter(Protocol):
    """The methods of `mos_online.themes.Router` that a view of a profile needs."""

    @property
    def version(self) -> str:
        """Version of the router artefact."""
        ...

    @property
    def epoch(self) -> str:
        """Routers of one epoch give theme ids the same meaning."""
        ...

    def route(self, session: Session) -> Routed:
        """Place of a session among the themes."""
        ...

    def session_themes(
        self, item_ids: Sequence[str], categories: Sequence[str | None], lengths: Sequence[int]
    ) -> list[int]:
        """Themes of sessions laid end to end, each as ``route`` gives it."""
        ...


class SessionRouters(Protocol):
    """The routers of an epoch by event time: one `mos_online.themes.Router`, or a `RouterTimeline` of revisions."""

    def at(self, event_time: int) -> SessionRouter:
        """The router for the sessions that could close at ``event_time`` (ms)."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileView:
    """A profile as one router sees it: events in order, and by theme.

    Attributes:
        recent: the last events over all sessions.
        rings: theme (1..K) -> the last events of the sessions routed there; no empty rings.
        theme_sessions: theme (0 = unrouted) -> sessions routed there.
    """

    recent: Positions
    rings: dict[int, Positions]
    theme_sessions: dict[int, int]


def view_by(profile: UserProfile, router: SessionRouter, sizes: RingSizes, *, own_router: bool = False) -> ProfileView:
    """The rings of a profile under a router; O(kept events), which has a bound that no history exceeds.

    Under a router of the epoch that the profile was last updated in, and sizes no larger than those it was updated
    with, the rings are those of the whole history and the counts are of all sessions ever. A router of another epoch
    routes the kept sessions, and its counts are of these; so does one of the epoch with ``own_router``.
    """
    themes, theme_sessions = themes_by(profile, router, own_router=own_router)
    count = len(profile.item_ids)
    rings: dict[int, Positions] = {}
    if themes:
        event_themes = np.repeat(themes, profile.session_lengths)
        by_theme = np.argsort(event_themes, kind="stable")
        ends = np.cumsum(np.bincount(event_themes)).tolist()
        for theme in range(1, len(ends)):
            begin, end = ends[theme - 1], ends[theme]
            if end > begin:
                rings[theme] = by_theme[max(begin, end - sizes.theme) : end]
    return ProfileView(
        recent=np.arange(max(0, count - sizes.recent), count), rings=rings, theme_sessions=theme_sessions
    )


def themes_by(
    profile: UserProfile, router: SessionRouter, *, own_router: bool = False
) -> tuple[list[int], dict[int, int]]:
    """The theme of each kept session under a router, and how many sessions each theme has.

    Inside an epoch a session keeps the theme that it was given when it closed: theme ids mean the same. With
    ``own_router`` it gets that of this router.
    """
    if profile.router_epoch == router.epoch and not own_router:
        return profile.session_themes, profile.theme_sessions
    themes = router.session_themes(profile.item_ids, profile.categories, profile.session_lengths)
    return themes, dict(Counter(themes))
