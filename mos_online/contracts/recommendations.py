"""Messages of the topic ``recommendations``."""

from __future__ import annotations

from typing import Literal

import msgspec


class RankedItem(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One recommended item. ``theme`` is the item's own theme; 0 means that it fits none."""

    item_id: str
    score: float
    theme: int


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Ranked items for a user. ``fallback`` says why the model did not answer, or is null when it did."""

    request_id: str
    user_id: str
    items: list[RankedItem]
    model_version: str
    router_version: str
    trigger: Literal["session_closed"]
    session_id: str
    created_at: int
    fallback: str | None = None
