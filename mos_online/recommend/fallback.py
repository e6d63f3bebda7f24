"""What is recommended when the model has nothing to go by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mos_online.contracts import FallbackReason, RankedItem
from mos_online.items.places import shares_at
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.model.batch import History
from mos_online.recommend.candidates import Candidates
from mos_online.recommend.query import Query
from mos_online.themes.routed import UNROUTED

UNKNOWN_USER: Final = "unknown_user"
NO_KNOWN_ITEMS: Final = "no_known_items"


def fallback_reason(history: History) -> FallbackReason | None:
    """Why the model cannot rank for this user, or None where it can."""
    if not len(history.items):
        return UNKNOWN_USER
    return None if history.items.any() else NO_KNOWN_ITEMS


class PopularItems:
    """Items that are popular now at one place of a session, most popular first.

    Behind them come those of the training log, with score 0. Scores are shares of the clicks, see ``shares_at``.
    """

    def __init__(self, popularity: PopularitySnapshot, trained: Sequence[str]) -> None:
        """Rank ``popularity`` by recent counts; ``trained`` are the most popular items of the training log."""
        listed = set(popularity.item_ids)
        others = [(item, 0.0) for item in trained if item not in listed]
        shares = shares_at(popularity)[:, :, 0].tolist()
        self._ranked = [[*sorted(zip(popularity.item_ids, one, strict=True), key=_first), *others] for one in shares]

    def ranking(self, query: Query, candidates: Candidates, *, place: int) -> list[RankedItem]:
        """The ``query.k`` most popular items at a ``Place`` that it does not exclude."""
        excluded, ranked = set(query.exclude), self._ranked[place]
        chosen = [one for one in ranked[: query.k + len(excluded)] if one[0] not in excluded]
        return [
            RankedItem(item_id=item, score=score, theme=_theme(item, candidates)) for item, score in chosen[: query.k]
        ]


def _first(one: tuple[str, float]) -> tuple[float, str]:
    """The most popular first, equals by name."""
    return -one[1], one[0]


def _theme(item: str, candidates: Candidates) -> int:
    row = candidates.rows.get(item)
    return candidates.themes[row] if row is not None else UNROUTED
