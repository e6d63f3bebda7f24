"""The gate: which candidates pass, and what is said of the others."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from mos_online.arrays import Floats
from mos_online.errors import ModelError
from mos_online.fine_tuning.gate import Verdict, decide
from mos_online.fine_tuning.judged import Judged
from mos_online.fine_tuning.latency import REQUESTS, WARM_UP, slowest
from mos_online.fine_tuning.slices import NEW_ITEMS
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender

COUNT = 2000
USERS = np.arange(COUNT) // 5
HALF = np.arange(COUNT) % 2 == 0
EARLIER = np.arange(300) // 3


def judged(
    auc: Floats | float,
    *,
    ndcg: Floats | float = 0.3,
    confidence: float = 0.2,
    of_new: float = 0.7,
    count: int = COUNT,
) -> Judged:
    """A model of this AUC at every position, whose first item is right as often as not."""
    noise = np.random.default_rng(0).normal(0, 0.05, count)
    return Judged(
        auc=np.full(count, auc) + noise,
        auc_of_new=np.full(count, of_new) + noise,
        ndcg=np.full(count, ndcg) + noise,
        confidence=np.full(count, confidence),
        right=(np.arange(count) % 5 == 0).astype(float),
    )


def verdict(candidate: Judged, *, earlier: float = 0.8, latency: tuple[float, float] = (0.001, 0.001)) -> Verdict:
    return decide(
        candidate,
        judged(0.8),
        USERS,
        {"same theme": HALF, "first sessions": ~HALF, NEW_ITEMS: HALF, "returning theme": np.arange(COUNT) < 50},
        earlier=(judged(earlier, count=300), judged(0.8, count=300), EARLIER),
        latency=latency,
    )


def test_a_better_one_passes_and_slices_that_are_too_small_are_not_judged() -> None:
    found = verdict(judged(0.81))
    assert found.passed
    assert found.gauc.mean == pytest.approx(0.01)
    assert set(found.slices) == {"same theme", "first sessions", NEW_ITEMS, "earlier clicks"}


@pytest.mark.parametrize(
    ("candidate", "more", "words"),
    [
        (judged(0.8), {}, "GAUC +0.0000"),
        (judged(0.79), {}, "it must be above 0"),
        (judged(np.where(USERS % 100 == 0, 3.0, 0.8 - 0.01)), {}, "its lower end at least -0.002"),
        (judged(0.8 + np.where(HALF, -0.02, 0.06)), {}, "GAUC on same theme -0.0200"),
        (judged(0.81, of_new=0.6), {}, "GAUC on new items -0.1000"),
        (judged(0.81, ndcg=0.29), {}, "NDCG@10 -0.0100"),
        (judged(0.81), {"earlier": 0.79}, "GAUC on earlier clicks -0.0100"),
        (judged(0.81, confidence=0.215), {}, "calibration error 0.0150, the champion's is 0.00"),
        (judged(0.81), {"latency": (0.2, 0.1)}, "took 200.0 ms, with the champion 100.0 ms"),
    ],
)
def test_what_is_not_better_or_harms_anything_is_refused(candidate: Judged, more: dict[str, Any], words: str) -> None:
    found = verdict(candidate, **more)
    assert not found.passed
    assert any(words in reason for reason in found.reasons), found.reasons


def test_targets_that_nobody_knew_do_not_count() -> None:
    candidate, champion = judged(0.81), judged(0.8)
    candidate.auc[:100] = champion.auc[:100] = np.nan
    found = decide(candidate, champion, USERS, {}, earlier=(candidate, champion, USERS), latency=(0.0, 0.0))
    assert (found.passed, found.gauc.positions) == (True, COUNT - 100)


class _Answers:
    def __init__(self, fallback: str | None = None) -> None:
        self.fallback = fallback
        self.asked = 0

    def recommend(self, queries: list[Query]) -> list[Ranking]:
        self.asked += len(queries)
        return [Ranking(items=[], themes=[], fallback=cast("Any", self.fallback), candidates=0) for _ in queries]


def test_a_candidate_that_falls_back_where_the_champion_answers_cannot_serve() -> None:
    query = Query(user_id="", profile=None, events=[], timestamp=0, k=1, exclude=[])
    requests = [query] * (REQUESTS + WARM_UP)
    good, bad = _Answers(), _Answers("no_known_items")
    assert min(slowest(cast("Recommender", good), cast("Recommender", bad), requests)) > 0
    assert good.asked == bad.asked == len(requests)
    with pytest.raises(ModelError, match="fallback no_known_items"):
        slowest(cast("Recommender", bad), cast("Recommender", good), requests)
