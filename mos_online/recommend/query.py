"""What a recommendation is asked by, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mos_online.contracts import FallbackReason, RankedItem, SessionEvent
from mos_online.users.profile import UserProfile


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One user at one moment.

    Attributes:
        profile: from the online store, None where there is none.
        events: of the open session, any order.
        timestamp: the moment of the recommendation (ms).
        k: how many items; exclude: which not.
    """

    user_id: str
    profile: UserProfile | None
    events: Sequence[SessionEvent]
    timestamp: int
    k: int
    exclude: Sequence[str]


class ThemeShare(msgspec.Struct, frozen=True, kw_only=True):
    """How far a theme's expert could speak: its gate's share of all open theme gates; the user's sessions in it."""

    theme: int
    label: str
    share: float
    sessions: int


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Items, best first; ``fallback`` says why popularity answered, or is None when the model did."""

    items: list[RankedItem]
    themes: list[ThemeShare]
    fallback: FallbackReason | None
