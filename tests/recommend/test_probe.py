"""A model that gives no numbers is noticed before it serves."""

from __future__ import annotations

import pytest

from mos_online.contracts import FallbackReason, RankedItem
from mos_online.errors import ModelError
from mos_online.recommend.probe import ITEMS, require_finite_scores
from mos_online.recommend.query import Query, Ranking


class Model:
    """Answers with these scores, and popularity to who has no history."""

    model_version = "m-1"

    def __init__(self, scores: list[float], *, popular: int = ITEMS, fallback: FallbackReason | None = None) -> None:
        self._scores, self._popular, self._fallback = scores, popular, fallback

    def recommend(self, queries: list[Query]) -> list[Ranking]:
        (query,) = queries
        known = bool(query.events)
        scores = self._scores if known else [0.0] * self._popular
        items = [RankedItem(item_id=f"i{n}", score=score, theme=1) for n, score in enumerate(scores[: query.k])]
        return [Ranking(items=items, themes=[], fallback=self._fallback if known else "unknown_user", candidates=1)]


def test_numbers_are_enough() -> None:
    require_finite_scores(Model([0.5] * 100))
    require_finite_scores(Model([0.5] * 3, popular=3))


@pytest.mark.parametrize(
    "model",
    [
        Model([0.5] * 19 + [float("inf")]),
        Model([float("nan")] * 20),
        Model([0.5] * 19),
        Model([]),
        Model([0.5] * 20, fallback="no_known_items"),
        Model([0.5], popular=0),
    ],
    ids=["infinite", "no number", "one is left out", "none", "not the model", "nothing popular"],
)
def test_everything_else_is_refused(model: Model) -> None:
    with pytest.raises(ModelError, match=r"m-1 does not rank.*mos train"):
        require_finite_scores(model)
