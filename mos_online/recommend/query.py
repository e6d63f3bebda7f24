"""What a recommendation is asked by, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts import FallbackReason, RankedItem, SessionEvent
from mos_online.users.profile import UserProfile


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One user at one moment.

    Attributes:
        profile: from the online store, None where there is none.
        events: the actions of the open session, any order.
        timestamp: the moment of the recommendation (ms).
        k: how many items; exclude: which not.
        request_id: names the answer; what is explored depends on it.
        ahead: whether the list is for the user's next session, and not for now.
        teaches: whether the service may learn from what the user clicks next; not if nobody sees the answer. How much
            is mixed in is learned from lists for now only.
    """

    user_id: str
    profile: UserProfile | None
    events: Sequence[SessionEvent]
    timestamp: int
    k: int
    exclude: Sequence[str]
    request_id: str = ""
    ahead: bool = False
    teaches: bool = False


class ThemeShare(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A theme of the user's past sessions whose history the model used."""

    theme: int
    label: str
    share: Annotated[
        float, Meta(description="The weight of its expert, as a share of the weights of all themes; 0 to 1.")
    ]
    sessions: Annotated[int, Meta(description="How many of the user's closed sessions have this theme.")]


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """What is recommended.

    Attributes:
        items: best first.
        themes: of the user, whose histories the model used.
        fallback: why popularity answered; None when the model did.
        candidates: how many items could be recommended, the excluded ones included.
        score_level: log of the sum of exp(score) of them all, so that ``score - score_level`` is the logarithm of a
            probability; None when popularity answered.
        popularity_as_of, co_clicks_as_of: newest event time (ms) of the clicks that were counted in each; 0 if none
            were.
    """

    items: list[RankedItem]
    themes: list[ThemeShare]
    fallback: FallbackReason | None
    candidates: int
    popularity_as_of: int = 0
    co_clicks_as_of: int = 0
    score_level: float | None = None
